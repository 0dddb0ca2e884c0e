import {Readable} from 'node:stream';
import type {Context} from 'koa';
import {mergeSort} from '../../lib/merge-sort.ts';
import {Pace} from '../../lib/pace.ts';
import type {Cache} from '../../store/cache.ts';
import {badRequest} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import {encodeList} from '../json/raw-json.ts';
import type {Parameter} from '../openapi/described-route.ts';
import {rest} from '../scans/find.ts';
import {DEFAULT_FIND_LIMITS, NEXT_AFTER} from '../scans/find-answer.ts';
import {Arguments} from '../validation/query.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import type {Damage} from './present.ts';

/** Answers that are put together at once; larger ones go out in the parts they were written in. */
const SINGLE_PART_BYTES = 1024 * 1024;
/** Damaged keys that one answer names. */
const MAX_DAMAGED = 1000;

const PAGING: readonly Parameter[] = [
  {name: 'limit', description: 'At most so many; a page may be shorter.', schema: {type: 'integer', minimum: 1}},
  {name: 'after', description: 'Only later ids than this.', schema: {type: 'string', maxLength: 256}},
];

/** The query of a list of this kind. */
export function listParameters(kind: {readonly filters: Readonly<Record<string, unknown>>}): readonly Parameter[] {
  const filters = Object.keys(kind.filters).map((name): Parameter => ({
    name,
    description: `Only those whose ${name} is exactly this.`,
    schema: {type: 'string'},
  }));
  return [...filters, ...PAGING];
}

/** What a list is asked for. */
export interface Wanted<R> {
  matches(record: R): boolean;
  readonly isFiltered: boolean;
  readonly limit: number | undefined;
  readonly after: string | undefined;
}

/** Reads a list's query. @throws ApiError `invalid`, naming what nobody knows or can take */
export function wantedOf<R extends AnyRecord>(kind: Kind<R>, ctx: Context): Wanted<R> {
  const args = new Arguments(ctx.querystring);
  const [unknown] = args.namesBut([...Object.keys(kind.filters), 'limit', 'after']);
  if (unknown !== undefined) throw badRequest(`'${unknown}': not known here (known: ${[...Object.keys(kind.filters), 'limit', 'after'].join(', ')})`);
  const filters = Object.entries(kind.filters).flatMap(([name, of]) => {
    const value = args.text(name);
    return value === undefined ? [] : [(record: R) => of(record) === value];
  });
  const limit = args.text('limit');
  if (limit !== undefined && (!/^\d{1,9}$/.test(limit) || Number(limit) === 0)) throw badRequest("'limit': must be a whole number of at least 1");
  return {
    matches: (record) => filters.every((filter) => filter(record)),
    isFiltered: filters.length > 0,
    limit: limit === undefined ? undefined : Number(limit),
    after: args.text('after'),
  };
}

/** Answers with the objects of a kind that match, by id; and with what is damaged, whether it would match or not. */
export async function answerList<R extends AnyRecord>(deps: RouteDeps, kind: Kind<R>, ctx: Context): Promise<void> {
  const wanted = wantedOf(kind, ctx);
  await freshForRead(deps, ctx);
  const limits = {...DEFAULT_FIND_LIMITS, ...deps.config.find};
  const pace = new Pace(deps.clock, () => !ctx.req.socket.destroyed);
  const pause = (): Promise<void> | undefined => (pace.isDue() ? rest(pace) : undefined);
  const found: R[] = [];
  // Records are replaced, never changed: these stay what they are now, however long the answer takes.
  for (const record of kind.table(deps.cache)) {
    if (record.spec !== undefined && (wanted.after === undefined || record.id > wanted.after) && wanted.matches(record)) found.push(record);
  }
  const sorted = await mergeSort(found, (a, b) => (a.id < b.id ? -1 : 1), pause);
  const isPaged = wanted.limit !== undefined || wanted.after !== undefined;
  if (!isPaged && sorted.length > limits.rows) throw badRequest(`there are more than ${limits.rows}--ask for pages with 'limit' and 'after'`);
  const page = sorted.slice(0, Math.min(wanted.limit ?? limits.rows, limits.rows));
  const present = page.values().map((record) => kind.present(record));
  const damaged = damagedOf(deps.cache, kind);
  const {parts, bytes, count, isWhole} = await encodeList(kind.plural, present, {limitBytes: limits.bytes, pause, more: {damaged}});
  if (!isWhole && !isPaged) throw badRequest(`the answer is larger than ${limits.bytes} bytes--ask for pages with 'limit' and 'after'`);
  const last = page[count - 1];
  if (last !== undefined && count < sorted.length) ctx.set(NEXT_AFTER, last.id);
  ctx.set('Content-Type', 'application/json; charset=UTF-8');
  if (bytes <= SINGLE_PART_BYTES) {
    ctx.body = Buffer.concat(parts);
    return;
  }
  ctx.body = Readable.from(parts);
  ctx.length = bytes;
  ctx.set('Content-Type', 'application/json; charset=UTF-8'); // Koa takes a stream for octets.
}

/** Keys of a kind that cannot be read: misspelt ones, and those whose value is no good. */
function damagedOf(cache: Cache, {root}: {readonly root: string}): Damage[] {
  const damaged: Damage[] = [];
  for (const {key, reason} of cache.bad.values()) {
    if (key.startsWith(`/${root}/`)) damaged.push({key, reason});
    if (damaged.length === MAX_DAMAGED) break;
  }
  return damaged.sort((a, b) => (a.key < b.key ? -1 : 1));
}
