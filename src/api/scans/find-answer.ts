import {Readable} from 'node:stream';
import type {Context} from 'koa';
import {Pace} from '../../lib/pace.ts';
import type {Scan} from '../../model/manifest.ts';
import {badRequest} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import {encodeList} from '../json/raw-json.ts';
import {projectManifest} from '../projection.ts';
import {findScans, rest} from './find.ts';
import type {FindLimits} from './find.ts';
import type {FindScansBody} from './schema.ts';

/** Unless told otherwise. */
export const DEFAULT_FIND_LIMITS: FindLimits = {seconds: 5, rows: 100_000, bytes: 256 * 1024 * 1024};

/** Of a page that more may follow: what to send as `after` to get the next. */
export const NEXT_AFTER = 'x-scanplane-next-after';

/** Answers that are put together at once; larger ones go out in the parts they were written in. */
const SINGLE_PART_BYTES = 1024 * 1024;

/** Answers POST /scans/find, without keeping others from being answered. */
export class FindAnswers {
  readonly #deps: RouteDeps;
  readonly #limits: FindLimits;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
    this.#limits = {...DEFAULT_FIND_LIMITS, ...deps.config.find};
  }

  /**
   * @param present how a scan is shown, where that is not a manifest with the wanted fields
   * @throws ApiError `invalid`: a filter that cannot be used, or too much asked for at once
   */
  async answer(ctx: Context, body: FindScansBody, present?: (scan: Scan) => unknown): Promise<void> {
    await freshForRead(this.#deps, ctx);
    const pace = new Pace(this.#deps.clock, () => !ctx.req.socket.destroyed);
    const {scans, projection, isPaged, nextAfter} = await findScans(this.#deps.cache.scans, body, pace, this.#limits);
    const {parts, bytes, count, isWhole} = await encodeList(
      'manifests',
      scans.values().map(present ?? ((scan) => projectManifest(scan, projection))),
      {limitBytes: this.#limits.bytes, pause: () => (pace.isDue() ? rest(pace) : undefined)},
    );
    if (!isWhole && !isPaged) {
      throw badRequest(`the answer is larger than ${this.#limits.bytes} bytes--ask for fewer fields, or for pages with 'limit' and 'after'`);
    }
    const next = isWhole ? nextAfter : scans[count - 1]?.id;
    if (next !== undefined) ctx.set(NEXT_AFTER, next);
    ctx.set('Content-Type', 'application/json; charset=UTF-8');
    if (bytes <= SINGLE_PART_BYTES) {
      ctx.body = Buffer.concat(parts);
      return;
    }
    ctx.body = Readable.from(parts);
    ctx.length = bytes;
    ctx.set('Content-Type', 'application/json; charset=UTF-8'); // Koa takes a stream for octets.
  }
}
