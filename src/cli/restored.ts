import {systemClock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {silentLog} from '../lib/log.ts';
import {randomHex} from '../schema/ids.ts';
import {META_KEY} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import {parseMeta} from '../schema/replica.ts';
import type {Meta} from '../schema/replica.ts';
import {openDatabase} from '../store/open.ts';
import type {DatabaseOptions} from '../store/open.ts';
import type {Store} from '../store/store.ts';

/**
 * Says of a database that it was restored from a backup. Its revisions go back with it, so engines would take whoever leads a scan now for somebody who
 * led it long ago: a higher epoch says that they are newer than all before. It is the time in seconds, so that a second restore of the same backup is
 * newer than the first. A copy gets an id of its own: no job of the original is its.
 *
 * @throws ControlPlaneError `not_found`: no scanplane has used it. `revision_conflict`: somebody else said so at the same time.
 */
export async function markRestored(store: Store, isCopy: boolean, nowMs: number): Promise<Meta> {
  const stored = await store.get(META_KEY);
  if (stored === undefined) throw new ControlPlaneError('not_found', `there is no ${META_KEY}: this is no database of scanplane`, {key: META_KEY});
  const before = parseMeta(stored.value.toString(), META_KEY);
  const meta: Meta = isCopy
    ? {...before, cluster_id: randomHex(16), epoch: 1}
    : {...before, epoch: Math.max(before.epoch + 1, Math.floor(nowMs / 1000))};
  const compares = [{key: META_KEY, modRevision: stored.modRevision}];
  const {ok} = await store.commit({compares, ops: [putJson(META_KEY, meta)]});
  if (!ok) throw new ControlPlaneError('revision_conflict', `${META_KEY} was changed meanwhile`, {key: META_KEY});
  return meta;
}

/** `scanplane restored [copy]`. @returns the exit code */
export async function restoredCommand(args: readonly string[], options: DatabaseOptions): Promise<number> {
  if (args.length > 1 || (args[0] !== undefined && args[0] !== 'copy')) {
    process.stderr.write('usage: scanplane restored [copy]\n');
    return 2;
  }
  const {members, store} = openDatabase({...options, compaction: false}, silentLog);
  try {
    const {cluster_id, epoch} = await markRestored(store, args[0] === 'copy', systemClock.now());
    process.stdout.write(`cluster_id  ${cluster_id}\nepoch       ${epoch}\n`);
    return 0;
  } finally {
    members.close();
  }
}
