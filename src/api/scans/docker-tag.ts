import {readdir} from 'node:fs/promises';
import type {Clock} from '../../lib/clock.ts';
import {badRequest} from '../api-error.ts';

const IMAGE = 'skymap_scanner:';
/** How long a listing of the images is used again. */
const LISTING_MS = 5000;

/** Turns the tag that a user asks for into the one that runs. */
export class DockerTags {
  readonly #directory: string | undefined;
  readonly #clock: Clock;
  #listing: {readonly tags: Promise<ReadonlySet<string>>; readonly until: number} | undefined;

  /** Without a directory any tag is taken as given. */
  constructor(directory: string | undefined, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** `latest`, `X` and `X.Y` become the highest release that is there. @throws ApiError `invalid`: there is no such image */
  async resolve(asked: string): Promise<string> {
    const tag = /^[vV]\d+(\.\d+){0,2}$/.test(asked) ? asked.slice(1) : asked;
    if (this.#directory === undefined) return tag;
    const tags = await this.#list(this.#directory);
    if (tags.has(tag)) return tag;
    const prefix = tag === 'latest' ? '' : /^\d+(\.\d+)?$/.test(tag) ? `${tag}.` : undefined;
    const releases = prefix === undefined ? [] : [...tags].filter((each) => /^\d+\.\d+\.\d+$/.test(each) && each.startsWith(prefix));
    const highest = releases.sort(byVersion).at(-1);
    if (highest === undefined) throw badRequest('argument docker_tag: image not found');
    return highest;
  }

  #list(directory: string): Promise<ReadonlySet<string>> {
    const now = this.#clock.monotonicMs();
    if (this.#listing === undefined || now >= this.#listing.until) {
      const tags = readdir(directory).then(
        (names) => new Set(names.filter((name) => name.startsWith(IMAGE)).map((name) => name.slice(IMAGE.length))),
        () => new Set<string>(), // Not mounted now: no image can be found.
      );
      this.#listing = {tags, until: now + LISTING_MS};
    }
    return this.#listing.tags;
  }
}

function byVersion(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  return 0;
}
