import {readdir} from 'node:fs/promises';
import type {Clock} from '../../lib/clock.ts';
import {badRequest} from '../api-error.ts';

const IMAGE = 'skymap_scanner:';
/** How long a listing of the images is used again. */
const LISTING_MS = 5000;

/** Where the scanner's images are: in a directory, or in a list; and the oldest release that may be asked for. With neither any tag is taken as given. */
export interface DockerTagsOptions {
  readonly imageDirectory?: string;
  /** Counts only where there is no directory. */
  readonly images?: readonly string[];
  readonly minImageTag?: string;
}

/**
 * Turns the tag that a user asks for into the one that runs.
 *
 * What is there is what the directory or the list says; no registry is asked. A minimum is judged by version, so a tag that is no release passes it.
 */
export class DockerTags {
  readonly #directory: string | undefined;
  readonly #images: ReadonlySet<string> | undefined;
  readonly #minimum: string;
  readonly #clock: Clock;
  #listing: {readonly tags: Promise<ReadonlySet<string>>; readonly until: number} | undefined;

  constructor({imageDirectory, images, minImageTag = ''}: DockerTagsOptions, clock: Clock) {
    this.#directory = imageDirectory;
    this.#images = images === undefined ? undefined : new Set(images.map(withoutV));
    this.#minimum = withoutV(minImageTag);
    this.#clock = clock;
  }

  /** `latest`, `X` and `X.Y` become the highest release that is there. @throws ApiError `invalid`: there is no such image, or it is too old */
  async resolve(asked: string): Promise<string> {
    const tag = await this.#find(withoutV(asked));
    if (this.#minimum !== '' && RELEASE.test(tag) && byVersion(tag, this.#minimum) < 0) {
      throw badRequest(`argument docker_tag: Image tag is older than the minimum supported tag 'v${this.#minimum}'. Contact admins for more info.`);
    }
    return tag;
  }

  async #find(tag: string): Promise<string> {
    const tags = this.#directory === undefined ? this.#images : await this.#list(this.#directory);
    if (tags === undefined) return tag;
    if (tags.has(tag)) return tag;
    const prefix = tag === 'latest' ? '' : /^\d+(\.\d+)?$/.test(tag) ? `${tag}.` : undefined;
    const releases = prefix === undefined ? [] : [...tags].filter((each) => RELEASE.test(each) && each.startsWith(prefix));
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

const RELEASE = /^\d+\.\d+\.\d+$/;

/** `v4`, `v4.1` and `v4.1.2` mean what they mean without their `v`. */
function withoutV(tag: string): string {
  return /^[vV]\d+(\.\d+){0,2}$/.test(tag) ? tag.slice(1) : tag;
}

function byVersion(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < 3; i++) if (left[i] !== right[i]) return (left[i] as number) - (right[i] as number);
  return 0;
}
