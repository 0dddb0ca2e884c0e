import type {SkymapRequest} from '../schema/scan.ts';

/**
 * What a scan's processes are told of the arguments that only versions 1 and 0 of the API have; nothing for a scan asked through version 2.
 *
 * @see SkyDriver 1.x, environments of the scanner server and of its starters; the `EWMS_` names are those of SkyDriver 2.x.
 */
export function olderEnvironment({older, max_pixel_reco_time, worker_memory_bytes}: SkymapRequest): [string, string][] {
  if (older === undefined) return [];
  const env: [string, string][] = [];
  const wait = older.skyscan_mq_client_timeout_wait_for_first_message;
  if (wait !== undefined) env.push(['SKYSCAN_MQ_CLIENT_TIMEOUT_WAIT_FOR_FIRST_MESSAGE', String(wait)]);
  if (older.max_worker_runtime !== undefined) env.push(['EWMS_WORKER_MAX_WORKER_RUNTIME', String(older.max_worker_runtime)]);
  if (older.memory !== undefined) env.push(['EWMS_WORKER_MEMORY_BYTES', String(worker_memory_bytes)]);
  if (older.max_reco_time !== undefined) env.push(['EWMS_PILOT_TASK_TIMEOUT', String(max_pixel_reco_time)]);
  return env;
}
