import type {JobRef} from '../engines/engine.ts';
import {reasonOf} from '../lib/errors.ts';
import {TRIES_KEPT} from '../model/deployment-facts.ts';
import type {JobTry} from '../schema/job.ts';
import {logKey} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Op} from '../store/store.ts';
import {logEntry} from './job-log.ts';

/** The job under which logs of deployments are filed. */
const MAIN = 'main';

/** Writes the log entry of an ended try, with the end of its output; the oldest goes. `ref` is the try as its engine calls it. */
export async function deploymentLog(
  ref: JobRef,
  count: number,
  ended: JobTry,
  output: (index: number, stream: 'stdout' | 'stderr') => Promise<string>,
): Promise<Op[]> {
  const read = (index: number, stream: 'stdout' | 'stderr'): Promise<string> => output(index, stream).catch((err: unknown) => `(${reasonOf(err)})`);
  const entry = await logEntry(ref, {name: MAIN, type: 'deployment', count, state: 'PENDING'}, ended, read);
  const oldest = ref.try - TRIES_KEPT;
  return [putJson(logKey(ref.scanId, MAIN, ref.try), entry), ...(oldest > 0 ? [{delete: logKey(ref.scanId, MAIN, oldest)}] : [])];
}
