import {expect, test} from 'vitest';
import {markRestored} from '../../src/cli/restored.ts';
import {hasCode} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import {startEtcd} from '../support/etcd.ts';

test('a restored database has a higher epoch each time it is restored, a copy an id of its own; what is no database of ours is refused', async () => {
  const etcd = await startEtcd({unsafeNoFsync: true});
  const {members, store} = openDatabase({endpoints: [etcd.endpoint], prefix: ''}, silentLog);
  try {
    const refusal = await markRestored(store, false, 1000).catch((err: unknown) => err);
    expect(hasCode(refusal, 'not_found')).toBe(true);
    const meta = await ensureMeta(store);
    expect(await markRestored(store, false, 7_000_000)).toEqual({...meta, epoch: 7000});
    // A clock that was set back.
    expect(await markRestored(store, false, 1000)).toEqual({...meta, epoch: 7001});
    const copy = await markRestored(store, true, 9_000_000);
    expect(copy).toMatchObject({epoch: 1, schema_version: meta.schema_version});
    expect(copy.cluster_id).not.toBe(meta.cluster_id);
    expect(await ensureMeta(store)).toEqual(copy);
  } finally {
    members.close();
    await etcd.stop();
  }
});
