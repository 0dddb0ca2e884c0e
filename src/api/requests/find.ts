import {Readable} from 'node:stream';
import type {Context} from 'koa';
import {mergeSort} from '../../lib/merge-sort.ts';
import {Pace} from '../../lib/pace.ts';
import {isScan} from '../../model/manifest.ts';
import {compareRequests, matcherOf} from '../../model/request-search.ts';
import {isRequest, presentSummary} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import type {RequestFilter} from '../../proto/filter.ts';
import type {RouteDeps} from '../deps.ts';
import {DEFAULT_FIND_LIMITS} from '../scans/find-answer.ts';
import type {FindLimits} from '../scans/find.ts';
import {malformed, refused} from './errors.ts';
import {runnerAddress} from './find-request.ts';

/** Characters that are gathered before they become bytes. */
const CHUNK_CHARS = 65_536;

/**
 * Answers with the requests that match, newest first, without keeping others from being answered.
 *
 * @param seesScans whether sky scans are among them
 * @throws ApiError `invalid`: too much asked for at once
 */
export async function answerFind(deps: RouteDeps, ctx: Context, filter: RequestFilter, seesScans: boolean): Promise<void> {
  const limits = {...DEFAULT_FIND_LIMITS, ...deps.config.find};
  const pace = new Pace(deps.clock, () => !ctx.req.socket.destroyed);
  const matches = matcherOf(filter);
  const found: RequestRecord[] = [];
  // Records are replaced, never changed: these stay what they are now, however long the search takes.
  for (const record of [...deps.cache.scans.values()]) {
    if (isRequest(record) && (seesScans || !isScan(record)) && matches(record)) found.push(record);
    if (pace.isDue()) await goOn(pace, limits);
  }
  const sorted = await mergeSort(found, compareRequests, () => (pace.isDue() ? goOn(pace, limits) : undefined));
  const {limit = 0, offset = 0} = filter;
  const page = limit === 0 ? sorted : sorted.slice(offset, offset + limit);
  if (page.length > limits.rows) throw tooMany(`more than ${limits.rows} requests match`);
  const parts: Buffer[] = [];
  let bytes = 0;
  let text = '[';
  const flush = (): void => {
    const part = Buffer.from(text);
    bytes += part.length;
    if (bytes > limits.bytes) throw tooMany(`the answer is larger than ${limits.bytes} bytes`);
    parts.push(part);
    text = '';
  };
  for (const [at, record] of page.entries()) {
    text += `${at === 0 ? '' : ','}${JSON.stringify(presentSummary(record, runnerAddress(deps, record)))}`;
    if (text.length > CHUNK_CHARS) flush();
    if (pace.isDue()) await goOn(pace, limits);
  }
  text += ']';
  flush();
  ctx.body = parts.length === 1 ? parts[0] : Readable.from(parts, {objectMode: false});
  ctx.length = bytes;
  ctx.set('Content-Type', 'application/json; charset=UTF-8'); // Koa takes a stream for octets.
}

/** Lets others run. @throws ApiError `invalid`: the client went away, or it takes too long */
async function goOn(pace: Pace, {seconds}: FindLimits): Promise<void> {
  if (!(await pace.rest())) throw malformed('the client went away');
  if (pace.usedMs > seconds * 1000) throw tooMany(`this search takes more than ${seconds} s`);
}

const tooMany = (what: string): Error => refused(`${what}--narrow the filter, or ask for pages with limit and offset`);
