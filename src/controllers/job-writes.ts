import {canonicalJson} from '../lib/canonical-json.ts';
import {reasonOf} from '../lib/errors.ts';
import type {JobRef} from '../engines/engine.ts';
import {openTry} from '../model/job-table.ts';
import {isChained, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {LEARNT_AT_ONCE} from '../model/try-learning.ts';
import type {JobChanges} from '../model/try-learning.ts';
import {controlKey, jobKey, logKey, reportKey} from '../schema/keys.ts';
import type {Job} from '../schema/job.ts';
import {putJson} from '../schema/put-json.ts';
import type {Writer} from '../schema/state.ts';
import type {Compare, Op} from '../store/store.ts';
import {logEntry} from './job-log.ts';
import type {Launcher} from './launcher.ts';

/** Bytes of changed jobs and their log entries per transaction, well below etcd's 1.5 MiB. What is left over is met again at the next look. */
const BYTES_PER_WRITE = 512 * 1024;
/** Changed jobs per transaction: each is one compare and up to two writes, of the 128 that there is room for. */
const CHANGES_PER_WRITE = LEARNT_AT_ONCE;
/** Bytes of a record from which on it is stored without the indentation that makes it readable: of a long list of numbers it would make several times as much. */
const READABLE_BYTES = 64 * 1024;

/** Writes that say what became of jobs. */
export interface JobWrites {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  /** Of all values. */
  readonly bytes: number;
  /** They do not say all. */
  readonly hasMore: boolean;
}

/** When there is nothing to say. */
export const NO_WRITES: JobWrites = {compares: [], ops: [], bytes: 0, hasMore: false};

/** Writes of changed jobs, with a log entry for each try that has ended: as many as fit into one transaction. `by` is whoever writes them. */
export async function jobWrites(record: ScanRecord, changes: JobChanges, by: Writer, launcher: Launcher): Promise<JobWrites> {
  const compares: Compare[] = [];
  const ops: Op[] = [];
  let count = 0;
  let bytes = 0;
  for (const [name, job] of changes) {
    if (count >= CHANGES_PER_WRITE) return {compares, ops, bytes, hasMore: true};
    const before = record.jobs?.get(name);
    const checks: Compare[] = [{key: jobKey(record.id, name), modRevision: modRevisionOf(record, `job/${name}`)}];
    const writes = [putJob(record.id, name, {...job, by})];
    const last = job.tries.at(-1);
    const wasOpen = before !== undefined && openTry(before.value) !== undefined;
    if (last?.exit !== undefined && wasOpen) {
      if (isChained(record)) {
        // What it reported right before it ended may not have reached us: then this is refused, and looked at again.
        checks.push({key: reportKey(record.id, name, last.try), modRevision: modRevisionOf(record, `report/${name}/${last.try}`)});
        // Whether a failure counts depends on what was wanted when it is written down.
        checks.push({key: controlKey(record.id), modRevision: modRevisionOf(record, 'control')});
      }
      const ref: JobRef = {scanId: record.id, job: name, try: last.try};
      const entry = await logEntry(ref, job, last, (index, stream) =>
        launcher
          .engineAt(last.place)
          .output(ref, last.place, index, stream)
          .catch((err: unknown) => `(${reasonOf(err)})`),
      );
      writes.push(putJson(logKey(record.id, name, last.try), entry));
    }
    const more = writes.reduce((sum, {value}) => sum + Buffer.byteLength(value), 0);
    if (count > 0 && bytes + more > BYTES_PER_WRITE) return {compares, ops, bytes, hasMore: true};
    compares.push(...checks);
    ops.push(...writes);
    bytes += more;
    count++;
  }
  return {compares, ops, bytes, hasMore: false};
}

/** The write of a job's record. */
export function putJob(id: string, name: string, job: Job): {readonly put: string; readonly value: string} {
  const text = canonicalJson(job);
  return {put: jobKey(id, name), value: Buffer.byteLength(text) <= READABLE_BYTES ? text : JSON.stringify(job)};
}
