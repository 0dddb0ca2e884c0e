import {Readable} from 'node:stream';
import type {Context} from 'koa';
import {hasCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import type {ChainView} from '../../model/chain-view.ts';
import {presentLog} from '../../model/log-view.ts';
import {encodeJson} from '../../proto/json.ts';
import type {JobLog} from '../../proto/types.ts';
import {parseJobLog} from '../../schema/job-log.ts';
import {logKey} from '../../schema/keys.ts';
import type {KeyValue, RangeResult, Store} from '../../store/store.ts';

/** Entries read at once: each may hold tens of kilobytes of output. */
const PAGE = 64;
/** Entries read side by side. */
const WIDTH = 16;

/** Before the keys of all tries of all jobs of a request. */
export const logPrefix = (id: string): string => `~log/${id}/`;

/** The stored entries of a request, or of one of its jobs, page by page, in the order of their keys. One that does not parse is left out, and logged. */
export async function* storedLogs(store: Pick<Store, 'range'>, id: string, log: Log): AsyncGenerator<JobLog[]> {
  const prefix = logPrefix(id);
  for (let from: string | Buffer = prefix; ;) {
    const {entries, next}: RangeResult = await store.range(prefix, {from, limit: PAGE});
    yield entries.flatMap((entry) => logOf(id, entry, log) ?? []);
    if (next === undefined) return;
    from = next;
  }
}

/**
 * The stored entries of a request whose names (`<job>/<try>`) are not in `seen`, to which they are added: also those that do not parse. When their number
 * is that of `seen`, nothing is read.
 */
export async function* unseenLogs(store: Store, id: string, seen: Set<string>, log: Log): AsyncGenerator<JobLog[]> {
  const prefix = logPrefix(id);
  const {count} = await store.range(prefix, {limit: 1, keysOnly: true});
  if (count <= seen.size) return;
  const {entries} = await store.range(prefix, {keysOnly: true});
  const fresh = entries.map(({key}) => key).filter((key) => !seen.has(key.slice(prefix.length)));
  for (let at = 0; at < fresh.length; at += WIDTH) {
    const some = fresh.slice(at, at + WIDTH);
    const found = await readLogs(store, id, some, log);
    for (const key of some) seen.add(key.slice(prefix.length));
    yield found;
  }
}

/** The latest stored try of a job. */
export async function latestLog(store: Store, id: string, job: string, log: Log): Promise<JobLog | undefined> {
  const {entries} = await store.range(`${logPrefix(id)}${job}/`, {keysOnly: true});
  let latest = -1;
  for (const {key} of entries) latest = Math.max(latest, tryOf(key));
  if (latest < 0) return undefined;
  const entry = await store.get(logKey(id, job, latest));
  return entry === undefined ? undefined : logOf(id, entry, log);
}

/** The entries of one try each, of those that are stored. */
export function logsOf(store: Store, id: string, tries: readonly (readonly [string, number])[], log: Log): Promise<JobLog[]> {
  return readLogs(
    store,
    id,
    tries.map(([job, tryNumber]) => logKey(id, job, tryNumber)),
    log,
  );
}

async function readLogs(store: Store, id: string, keys: readonly string[], log: Log): Promise<JobLog[]> {
  const entries = await Promise.all(keys.map((key) => store.get(key)));
  return entries.flatMap((entry) => (entry === undefined ? [] : (logOf(id, entry, log) ?? [])));
}

function logOf(id: string, {key, value}: KeyValue, log: Log): JobLog | undefined {
  const [, , job = ''] = key.split('/');
  try {
    return presentLog(id, job, parseJobLog(value.toString(), key));
  } catch (err) {
    if (!hasCode(err, 'invalid')) throw err;
    log.warn({key, reason: err.detail}, 'a log entry does not parse');
    return undefined;
  }
}

const tryOf = (key: string): number => {
  const text = key.slice(key.lastIndexOf('/') + 1);
  return /^\d{1,9}$/.test(text) ? Number(text) : -1;
};

/** Answers with all tries of all jobs as they are read: there may be more of them than should be in memory. */
export async function answerLogs(ctx: Context, pages: AsyncGenerator<JobLog[]>, view: ChainView): Promise<void> {
  // What is wrong with the database is found out while an error can still be said.
  const first = await pages.next();
  ctx.body = Readable.from(textOf(first, pages, view), {objectMode: false});
  ctx.set('Content-Type', 'application/json; charset=UTF-8');
}

async function* textOf(first: IteratorResult<JobLog[], void>, pages: AsyncGenerator<JobLog[]>, view: ChainView): AsyncGenerator<string> {
  let separator = '[';
  for (let page = first; page.done !== true; page = await pages.next()) {
    const text = page.value.map((entry) => encodeJson(entry)).join(',');
    if (text === '') continue;
    yield separator + text;
    separator = ',';
  }
  for (const entry of view.computedLogs()) {
    yield separator + encodeJson(entry);
    separator = ',';
  }
  yield separator === '[' ? '[]' : ']';
}
