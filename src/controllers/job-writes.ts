import {canonicalJson} from '../lib/canonical-json.ts';
import {reasonOf} from '../lib/errors.ts';
import type {JobRef} from '../engines/engine.ts';
import {openTry} from '../model/job-table.ts';
import {isChained, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {JobChanges} from '../model/try-learning.ts';
import {jobKey, logKey, reportKey} from '../schema/keys.ts';
import type {Writer} from '../schema/state.ts';
import type {Compare, Op} from '../store/store.ts';
import {logEntry} from './job-log.ts';
import type {Launcher} from './launcher.ts';

/** Bytes of changed jobs and their log entries per transaction, well below etcd's 1.5 MiB. What is left over is met again at the next look. */
const BYTES_PER_WRITE = 512 * 1024;
/** Changed jobs per transaction: each is one compare and up to two writes, of the 128 that there is room for. */
const CHANGES_PER_WRITE = 24;

/** Writes that say what became of jobs. */
export interface JobWrites {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  /** They do not say all. */
  readonly hasMore: boolean;
}

/** When there is nothing to say. */
export const NO_WRITES: JobWrites = {compares: [], ops: [], hasMore: false};

/** Writes of changed jobs, with a log entry for each try that has ended: as many as fit into one transaction. `by` is whoever writes them. */
export async function jobWrites(record: ScanRecord, changes: JobChanges, by: Writer, launcher: Launcher): Promise<JobWrites> {
  const compares: Compare[] = [];
  const ops: Op[] = [];
  let count = 0;
  let bytes = 0;
  for (const [name, job] of changes) {
    if (count++ >= CHANGES_PER_WRITE || bytes >= BYTES_PER_WRITE) return {compares, ops, hasMore: true};
    const before = record.jobs?.get(name);
    compares.push({key: jobKey(record.id, name), modRevision: modRevisionOf(record, `job/${name}`)});
    const writes = [put(jobKey(record.id, name), {...job, by})];
    const last = job.tries.at(-1);
    const wasOpen = before !== undefined && openTry(before.value) !== undefined;
    if (last?.exit !== undefined && wasOpen) {
      // What it reported right before it ended may not have reached us: then this is refused, and looked at again.
      if (isChained(record))
        compares.push({key: reportKey(record.id, name, last.try), modRevision: modRevisionOf(record, `report/${name}/${last.try}`)});
      const ref: JobRef = {scanId: record.id, job: name, try: last.try};
      const entry = await logEntry(ref, job, last, (index, stream) =>
        launcher
          .engineAt(last.place)
          .output(ref, last.place, index, stream)
          .catch((err: unknown) => `(${reasonOf(err)})`),
      );
      writes.push(put(logKey(record.id, name, last.try), entry));
    }
    ops.push(...writes);
    for (const {value} of writes) bytes += Buffer.byteLength(value);
  }
  return {compares, ops, hasMore: false};
}

function put(key: string, value: unknown): {readonly put: string; readonly value: string} {
  return {put: key, value: canonicalJson(value)};
}
