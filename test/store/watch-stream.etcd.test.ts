import {expect, test} from 'vitest';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog} from '../../src/lib/log.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import type {Revision} from '../../src/store/store.ts';
import {PrefixWatch, hasOrderedProgress} from '../../src/store/watch-stream.ts';
import type {WatchEnd} from '../../src/store/watch-stream.ts';
import type {WatchEvent} from '../../src/store/wire/watch-messages.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

test('a watch that is denied is reported, and works by itself once the rights are granted', async () => {
  const own = await startEtcd({unsafeNoFsync: true});
  const root = ['--user', 'root:secret'];
  const lines: string[] = [];
  const log = createLog('error');
  log.error = ((_fields: unknown, message: string) => lines.push(message)) as unknown as typeof log.error;
  const store = new EtcdStore(new EtcdMembers({endpoints: [own.endpoint], user: 'reader', password: 'reader'}));
  const watch = new PrefixWatch('/e3/', {store, clock: systemClock, log, timings: {idleMs: 200, answerMs: 800}});
  const seen: string[] = [];
  const stop = new AbortController();
  let following: Promise<WatchEnd> | undefined;
  try {
    await own.etcdctl(['user', 'add', 'root:secret']);
    await own.etcdctl(['user', 'add', 'reader:reader']);
    await own.etcdctl(['role', 'add', 'readers']);
    await own.etcdctl(['user', 'grant-role', 'reader', 'readers']);
    await own.etcdctl(['put', '/e3/1', 'x']);
    await own.etcdctl(['auth', 'enable']);
    const onRevision = (_revision: number, events: readonly WatchEvent[]): void => void seen.push(...events.map(({kv}) => kv.key));
    following = watch.follow(1, {onRevision, onProgress: () => {}, onBehind: () => {}}, stop.signal);
    await eventually(() => watch.connects >= 3 && lines.includes('watch refused by etcd; trying again'), {timeoutMs: 10_000});
    expect(seen).toEqual([]);
    await own.etcdctl([...root, 'role', 'grant-permission', 'readers', 'read', '/e3/', '--prefix']);
    await own.etcdctl([...root, 'put', '/e3/2', 'x']);
    await eventually(() => seen.length >= 2, {timeoutMs: 10_000});
    expect(seen).toEqual(['/e3/1', '/e3/2']);
  } finally {
    stop.abort();
    await following;
    store.members.close();
    await own.stop();
  }
});

test('a deletion whose revision has been compacted is not passed over: the watch ends as compacted', async () => {
  const own = await startEtcd({unsafeNoFsync: true});
  const store = new EtcdStore(new EtcdMembers({endpoints: [own.endpoint]}));
  const stop = new AbortController();
  try {
    await own.etcdctl(['put', '/c/1', 'x']);
    const read = await store.currentRevision();
    await own.etcdctl(['del', '/c/1']);
    await own.etcdctl(['compact', '--physical', String(read + 1)]);
    const seen: Revision[] = [];
    const handlers = {onRevision: (revision: Revision): void => void seen.push(revision), onProgress: (): void => {}, onBehind: (): void => {}};
    const watch = new PrefixWatch('/c/', {store, clock: systemClock, log: createLog('error')});
    const following = watch.follow(read + 1, handlers, AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]));
    expect([await following, seen]).toEqual(['compacted', []]);
  } finally {
    stop.abort();
    store.members.close();
    await own.stop();
  }
});

test('which etcd keeps progress notices in order is known by its version', () => {
  const ordered = ['3.4.25', '3.4.45', '3.5.9', '3.5.21', '3.6.0', '3.6.14', '4.0.0'];
  const unordered = ['3.3.27', '3.4.0', '3.4.23', '3.5.0', '3.5.7', 'unknown'];
  expect(ordered.filter(hasOrderedProgress)).toEqual(ordered);
  expect(unordered.filter(hasOrderedProgress)).toEqual([]);
});
