import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import type {AddressInfo, Socket} from 'node:net';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {createLog, silentLog} from '../../src/lib/log.ts';
import * as keys from '../../src/schema/keys.ts';
import {parseKey} from '../../src/schema/keys.ts';
import type {Change} from '../../src/store/cache.ts';
import {isBlockRef} from '../../src/store/block-content.ts';
import type {BlockRef} from '../../src/store/block-content.ts';
import {within} from '../../src/store/etcd-member.ts';
import {entryOf, partOf} from '../../src/store/scan-draft.ts';
import type {AnyEntry, ScanRef} from '../../src/store/scan-draft.ts';
import type {Op} from '../../src/store/store.ts';
import type {WatchCache} from '../../src/store/watch-cache.ts';
import {aSpec} from '../support/builders.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {seededRandom} from '../support/seeded-random.ts';
import {storeNode} from '../support/store-node.ts';
import type {StoreNode, StoreNodeOptions} from '../support/store-node.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';

let etcd: TestEtcd;
/** Each test has a prefix of its own in the one etcd. */
let prefix: string;
let tests = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
});
afterAll(() => etcd.stop());
beforeEach(() => {
  prefix = `/t${tests++}`;
});

/** Runs `body` with a node whose cache is filled, and ends it. */
async function withNode(body: (node: StoreNode) => Promise<void>, options: Partial<StoreNodeOptions> = {}): Promise<void> {
  const node = storeNode({endpoints: [etcd.endpoint], store: {prefix}, timings: {idleMs: 300, answerMs: 1000}, ...options});
  try {
    await node.watch();
    await body(node);
  } finally {
    await node.stop();
  }
}

/** What operators do: a put past our own code. */
const put = (key: string, value: unknown): Promise<string> =>
  etcd.etcdctl(['put', prefix + key], typeof value === 'string' ? value : canonicalJson(value));
const del = (...args: string[]): Promise<string> => etcd.etcdctl(['del', prefix + args[0], ...args.slice(1)]);

async function write(node: StoreNode, ...ops: Op[]): Promise<number> {
  const result = await node.store.commit({compares: [], ops});
  expect(result.ok).toBe(true);
  return result.revision;
}

const owner = {hostname: 'h', pid: 1, replica: 'r1', command: [], since: ''};

test('what this process said it would write is not parsed again, unless something else comes under that key', async () => {
  await withNode(async ({cache}) => {
    const [asSaid, other] = [aSpec({i3_event_id: 'said'}), aSpec({i3_event_id: 'said'})];
    cache.expect('/scan/s1', canonicalJson(asSaid), asSaid);
    cache.expect('/scan/s2', canonicalJson(other), other);
    await put('/scan/s1', asSaid);
    await put('/scan/s2', aSpec({i3_event_id: 'came'}));
    await cache.catchUp();
    expect(cache.scans.get('s1')?.spec?.value).toBe(asSaid);
    expect(cache.scans.get('s2')?.spec?.value.request?.i3_event_id).toBe('came');
    // Only once: what comes later is somebody else's.
    await put('/scan/s1', aSpec({i3_event_id: 'said'}));
    await cache.catchUp();
    expect(cache.scans.get('s1')?.spec?.value).not.toBe(asSaid);
  });
});

describe('a filled cache', () => {
  test('shows what was there before it started and what came after, typed and indexed', async () => {
    await put('/scan/s1', aSpec({i3_event_id: 'e1'}));
    await put('/cluster/local', {engine: 'process', capacity: 4});
    await withNode(async ({cache}) => {
      expect(cache.scans.get('s1')?.spec?.value.request?.i3_event_id).toBe('e1');
      expect(cache.clusters.get('local')?.value.capacity).toBe(4);
      expect([...cache.scans.idsBy('state', 'PENDING')]).toEqual(['s1']);
      expect([...cache.scans.idsBy('deleted', 'true')]).toEqual([]);

      await put('/scan/s1/state', {name: 'RUNNING'});
      await put('/scan/s1/owner', owner);
      await put('/scan/s1/control', {is_deleted: true});
      await put('/scan/s1/progress', {updated_at: 1, event_metadata: {run_id: 12, event_id: 34}});
      await put('/scan/s1/ewms', {workflow_id: 'w1', ewms_address: 'a'});
      await put('/scan/s2', {...aSpec(), lineage: {origin_scan_id: 's1', root_scan_id: 's1'}});
      await cache.catchUp();
      const ids = (index: string, value: string): string[] => [...cache.scans.idsBy(index, value)];
      expect(ids('state', 'RUNNING')).toEqual(['s1']);
      expect(ids('state', 'PENDING')).toEqual(['s2']);
      expect(ids('owner', 'r1')).toEqual(['s1']);
      expect(ids('deleted', 'true')).toEqual(['s1']);
      expect(ids('run_event', '12/34')).toEqual(['s1']);
      expect(ids('workflow', 'w1')).toEqual(['s1']);
      expect(ids('root', 's1')).toEqual(['s2']);
      // Put by hand, so it belongs to no lease; who reads it can tell.
      expect(cache.scans.get('s1')?.owner?.lease).toBe('0');

      await del('/scan/s1/owner');
      await del('/scan/s2');
      await cache.catchUp();
      expect(ids('owner', 'r1')).toEqual([]);
      expect(cache.scans.get('s2')).toBeUndefined();
      expect(ids('root', 's1')).toEqual([]);
    });
  });

  test('a record in hand never changes; the next one has what changed and shares the rest', async () => {
    await withNode(async (node) => {
      await write(node, {put: '/scan/s1', value: canonicalJson(aSpec())}, {put: '/scan/s1/state', value: '{"name":"PENDING"}'});
      await node.cache.catchUp();
      const before = node.cache.scans.get('s1');
      await write(node, {put: '/scan/s1/state', value: '{"name":"RUNNING"}'});
      await node.cache.catchUp();
      const after = node.cache.scans.get('s1');
      expect(before?.state?.value.name).toBe('PENDING');
      expect(after?.state?.value.name).toBe('RUNNING');
      expect(after?.spec).toBe(before?.spec);
    });
  });

  test('a transaction is seen whole or not at all, and told of once', async () => {
    await withNode(async (node) => {
      const stop = new AbortController();
      const told: (readonly Change[])[] = [];
      const torn: string[] = [];
      node.cache.onChange((changes) => {
        told.push(changes);
        const state = node.cache.scans.get('s1')?.state?.value.attempt;
        const admission = node.cache.scans.get('s1')?.admission?.value.attempt;
        if (state !== admission) torn.push(`${state} and ${admission}`);
      }, stop.signal);
      let last = 0;
      for (let n = 1; n <= 50; n++) {
        last = await write(
          node,
          {put: '/scan/s1/state', value: canonicalJson({name: 'RUNNING', attempt: n})},
          {put: '/scan/s1/admission', value: canonicalJson({attempt: n, slots: {}})},
        );
      }
      await node.cache.waitFor(last, 5000);
      expect(torn).toEqual([]);
      expect(told).toHaveLength(50);
      expect(told.every((changes) => changes.length === 2)).toBe(true);
      stop.abort();
      await write(node, {put: '/scan/s1/state', value: '{"name":"FAIL"}'});
      await node.cache.catchUp();
      expect(told).toHaveLength(50);
    });
  });

  test('a bad value marks its own key, is logged once, stops nothing, and leaves when it is repaired or deleted', async () => {
    const lines: string[] = [];
    const log = createLog('warn');
    log.warn = ((fields: {key: string}, message: string) => lines.push(`${message}: ${fields.key}`)) as unknown as typeof log.warn;
    await put('/scan/s1/state', 'no JSON');
    await put('/cluster/broken', {engine: 'process'});
    await withNode(
      async ({cache}) => {
        await put('/scan/s1', aSpec());
        await put('/scan/s1/job/server', {nothing: 'of it'});
        await put('/scan/s1/contrl', {desired: 'stop'});
        await cache.catchUp();
        const record = cache.scans.get('s1');
        expect(record?.spec).toBeDefined();
        expect(record?.state).toBeUndefined();
        expect([...(record?.bad?.keys() ?? [])].sort()).toEqual(['job/server', 'state']);
        expect(record?.bad?.get('state')?.reason).toContain('not JSON');
        expect([...cache.bad.keys()].sort()).toEqual(['/cluster/broken', '/scan/s1/contrl', '/scan/s1/job/server', '/scan/s1/state']);
        // What the state is, nobody can say: not PENDING.
        expect([...cache.scans.idsBy('state', 'PENDING')]).toEqual([]);

        await put('/scan/s1/state', {name: 'RUNNING'});
        await put('/cluster/broken', {engine: 'process', capacity: 1});
        await del('/scan/s1/job/server');
        await del('/scan/s1/contrl');
        await cache.catchUp();
        expect([...cache.bad.keys()]).toEqual([]);
        expect(cache.scans.get('s1')?.bad).toBeUndefined();
        expect([...cache.scans.idsBy('state', 'RUNNING')]).toEqual(['s1']);
        expect(cache.clusters.get('broken')?.value.capacity).toBe(1);
        const marked = lines.filter((line) => line.includes('bad'));
        expect(marked).toHaveLength(4);
        expect(new Set(marked).size).toBe(4);
      },
      {log},
    );
  });

  test('the backlog is in order; a scan that waits twice shows once, first with the first', async () => {
    await withNode(async ({cache}) => {
      const shown = (): string[] => [...cache.backlog()].map(({order, id}) => `${order}/${id}`);
      await put('/backlog/b/scan/s2', {timestamp: 2});
      await put('/backlog/a/scan/s1', {timestamp: 1});
      await put('/backlog/c/scan/s1', {timestamp: 3});
      await put('/backlog/d/scan/s3', 'bad');
      await cache.catchUp();
      expect(shown()).toEqual(['a/s1', 'b/s2']);
      expect(cache.scans.get('s1')?.backlog).toMatchObject({order: 'a', value: {timestamp: 1}});
      expect(cache.bad.has('/backlog/d/scan/s3')).toBe(true);
      await del('/backlog/a/scan/s1');
      await cache.catchUp();
      expect(shown()).toEqual(['b/s2', 'c/s1']);
      await put('/backlog/d/scan/s3', {timestamp: 4});
      await del('/backlog/c/scan/s1');
      await cache.catchUp();
      expect(shown()).toEqual(['b/s2', 'd/s3']);
      expect(cache.scans.get('s1')).toBeUndefined();
    });
  });

  test('`/scan/s1` and `/scan/s10` never mix', async () => {
    await withNode(async ({cache}) => {
      for (const id of ['s1', 's1_x', 's1y', 's10']) {
        await put(`/scan/${id}`, aSpec({i3_event_id: id}));
        await put(`/scan/${id}/state`, {name: 'RUNNING'});
      }
      await del('/scan/s1/', '--prefix');
      await cache.catchUp();
      expect(cache.scans.get('s1')?.state).toBeUndefined();
      for (const id of ['s1_x', 's1y', 's10']) expect([id, cache.scans.get(id)?.state?.value.name]).toEqual([id, 'RUNNING']);
    });
  });
});

describe('after a gap', () => {
  test('a database that was put back to an older backup is listed again', async () => {
    const own = await startEtcd({unsafeNoFsync: true});
    const other = await startEtcd({unsafeNoFsync: true});
    const service = await startForwarder(own.endpoint);
    try {
      for (let n = 0; n < 20; n++) await own.etcdctl(['put', '/scan/s1/state', canonicalJson({name: 'RUNNING', attempt: n})]);
      await other.etcdctl(['put', '/scan/s2/state', '{"name":"RUNNING"}']);
      const node = storeNode({endpoints: [service.endpoint], timings: {idleMs: 200, answerMs: 500}});
      try {
        await node.watch();
        expect(node.cache.scans.get('s1')?.state?.value.attempt).toBe(19);
        // The other etcd, younger and at a lower revision, takes the place of the first.
        service.retarget(other.endpoint);
        await eventually(() => node.cache.scans.get('s2') !== undefined, {timeoutMs: 10_000});
        expect(node.cache.scans.get('s1')).toBeUndefined();
        await other.etcdctl(['put', '/scan/s3/state', '{"name":"RUNNING"}']);
        await eventually(() => node.cache.scans.get('s3') !== undefined);
      } finally {
        await node.stop();
      }
    } finally {
      service.stop();
      await own.stop();
      await other.stop();
    }
  });
});

/** An address behind which one server can be exchanged for another. */
async function startForwarder(target: string): Promise<{endpoint: string; retarget(target: string): void; stop(): void}> {
  let url = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(url.port), url.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => [client, upstream].forEach((one) => one.destroy()));
    }
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    retarget: (next) => {
      url = new URL(next);
      cut();
    },
    stop: () => {
      cut();
      server.close();
    },
  };
}

/** Compares everything the cache holds with what etcd has, and its indexes with a walk over all scans. */
async function expectExact(node: StoreNode): Promise<void> {
  const {cache, store} = node;
  const revision = await cache.catchUp();
  const {entries} = await store.range('/', {revision});
  const held = new Set<string>();
  for (const kv of entries) {
    const found = heldOf(cache, kv.key);
    expect({key: kv.key, mod: found?.modRevision, create: found?.createRevision, lease: found?.lease}).toEqual({
      key: kv.key,
      mod: kv.modRevision,
      create: kv.createRevision,
      lease: kv.lease,
    });
    if (found !== undefined && 'value' in found) expect(found.value).toMatchObject(JSON.parse(kv.value.toString()) as object);
    held.add(kv.key);
  }
  // Nothing more than that.
  let count = cache.events.size + cache.clusters.size + cache.replicas.size + cache.leaders.size + (cache.meta === undefined ? 0 : 1);
  const byState = new Map<string, string[]>();
  const waiting: string[] = [];
  for (const scan of cache.scans.values()) {
    for (const field of ['spec', 'control', 'admission', 'state', 'owner', 'chain', 'progress', 'result', 'ewms', 'legacy', 'backlog'] as const) {
      if (scan[field] !== undefined) count++;
    }
    count += (scan.jobs?.size ?? 0) + (scan.reports?.size ?? 0);
    const state = scan.state?.value.name ?? (scan.spec !== undefined && !scan.bad?.has('state') ? 'PENDING' : undefined);
    if (state !== undefined) byState.set(state, [...(byState.get(state) ?? []), scan.id]);
    if (scan.backlog !== undefined) waiting.push(keys.backlogKey(scan.backlog.order, scan.id));
  }
  for (const {id, waiting: entries} of cache.pbs) for (const order of entries?.keys() ?? []) waiting.push(keys.backlogKey(order, id, 'pb'));
  count += partsOf(cache.ebs) + partsOf(cache.pbs) + partsOf(cache.deployments) + partsOf(cache.scripts);
  expect(count + cache.bad.size).toBe(held.size);
  for (const state of ['PENDING', 'RUNNING', 'COMPLETE', 'FAIL']) {
    expect([...cache.scans.idsBy('state', state)].sort()).toEqual((byState.get(state) ?? []).sort());
  }
  expect([...cache.backlog()].map(({order, of, id}) => keys.backlogKey(order, id, of))).toEqual(waiting.sort());
}

/** Good entries of all records. */
function partsOf(table: Iterable<object>): number {
  let count = 0;
  for (const {id: _id, bad: _bad, waiting, ...parts} of table as Iterable<Record<string, unknown>>) {
    count += Object.keys(parts).length + ((waiting as ReadonlyMap<string, unknown> | undefined)?.size ?? 0);
  }
  return count;
}

function blockEntry(cache: WatchCache, ref: BlockRef): AnyEntry | undefined {
  switch (ref.kind) {
    case 'eb':
      return cache.ebs.get(ref.id)?.spec;
    case 'eb-state':
      return cache.ebs.get(ref.id)?.state;
    case 'pb':
      return cache.pbs.get(ref.id)?.spec;
    case 'pb-admission':
      return cache.pbs.get(ref.id)?.admission;
    case 'pb-state':
      return cache.pbs.get(ref.id)?.state;
    case 'pb-owner':
      return cache.pbs.get(ref.id)?.owner;
    case 'deploy':
      return cache.deployments.get(ref.id)?.spec;
    case 'deploy-state':
      return cache.deployments.get(ref.id)?.state;
    case 'deploy-owner':
      return cache.deployments.get(ref.id)?.owner;
    case 'script':
      return cache.scripts.get(ref.id)?.spec;
    case 'backlog':
      return cache.pbs.get(ref.id)?.waiting?.get(ref.order);
  }
}

function heldOf(cache: WatchCache, key: string): AnyEntry | undefined {
  const ref = parseKey(key);
  const bad = cache.bad.get(key);
  if (bad !== undefined || ref === undefined) return bad;
  if (isBlockRef(ref)) return blockEntry(cache, ref);
  switch (ref.kind) {
    case 'meta':
      return cache.meta;
    case 'event':
      return cache.events.get(ref.id);
    case 'cluster':
      return cache.clusters.get(ref.name);
    case 'replica':
      return cache.replicas.get(ref.id);
    case 'leader':
      return cache.leaders.get(ref.controller);
    default:
      return entryOf(cache.scans.get(ref.id), partOf(ref as ScanRef));
  }
}

describe('whatever happens', () => {
  test.each([1, 2, 3])('the cache equals etcd after churn with cuts and compactions (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
    const ids = Array.from({length: 15}, (_, i) => pick([`s${i}`, `s${i}_a`, `s${i}0`]));
    const bad = (value: unknown): string => (random() < 0.1 ? '{"broken"' : canonicalJson(value));
    const anOp = (): Op => {
      const id = pick(ids);
      const block = pick(['pb-1', 'pb-10', 'b']);
      const state = (): string => canonicalJson({name: pick(['PENDING', 'RUNNING', 'COMPLETE', 'FAIL']), attempt: Math.floor(random() * 9)});
      return pick<() => Op>([
        () => ({put: keys.scanKey(id), value: bad(aSpec({i3_event_id: pick(['e1', 'e2'])}))}),
        () => ({put: keys.stateKey(id), value: random() < 0.1 ? 'x' : state()}),
        () => ({put: keys.jobKey(id, pick(['server', 'workers-1'])), value: bad({})}),
        () => ({put: keys.reportKey(id, 'server', 1), value: bad({updated_at: 1})}),
        () => ({put: keys.backlogKey(id === ids[0] ? 'o1' : `o${ids.indexOf(id)}`, id), value: bad({timestamp: 1})}),
        () => ({put: keys.ownerKey(id), value: bad(owner)}),
        () => ({put: keys.clusterKey(pick(['a', 'b'])), value: bad({engine: 'x', capacity: 1})}),
        () => ({put: keys.replicaKey(pick(['a', 'b'])), value: bad({hostname: 'x', pid: 1})}),
        () => ({put: keys.leaderKey('janitor'), value: bad(owner)}),
        () => ({put: keys.eventKey(pick(['e1', 'e2'])), value: bad({json_dict: {}})}),
        () => ({put: keys.pbKey(block), value: bad({pb_id: block, script: {kind: 'batch', name: 'x', version: '1'}})}),
        () => ({put: keys.pbStateKey(block), value: bad({status: pick(['STARTING', 'WAITING'])})}),
        () => ({put: keys.pbOwnerKey(block), value: bad(owner)}),
        () => ({put: keys.pbAdmissionKey(block), value: bad({slots: {a: 1}})}),
        () => ({put: keys.backlogKey(pick(['o1', 'o2', 'o3']), block, 'pb'), value: bad({timestamp: 1})}),
        () => ({put: keys.ebKey(block), value: bad({eb_id: block})}),
        () => ({put: keys.ebStateKey(block), value: bad({status: 'ACTIVE'})}),
        () => ({put: keys.deployKey(block), value: bad({id: block, type: 'job'})}),
        () => ({put: keys.deployStateKey(block), value: bad({status: 'RUNNING'})}),
        () => ({put: keys.scriptKey(`batch:${block}:1`), value: bad({image: 'x'})}),
        () => ({put: '/scan/s1/typo', value: 'x'}),
        () => ({delete: pick([keys.pbKey, keys.pbStateKey, keys.ebKey, keys.deployKey, (id: string) => keys.scriptKey(`batch:${id}:1`)])(block)}),
        () => ({deletePrefix: keys.pbChildren(block)}),
        () => ({delete: keys.backlogKey(pick(['o1', 'o2', 'o3']), block, 'pb')}),
        () => ({put: '~log/a/b/1', value: 'x'}),
        () => ({delete: keys.scanKey(id)}),
        () => ({delete: keys.stateKey(id)}),
        () => ({delete: keys.ownerKey(id)}),
        () => ({delete: keys.backlogKey(`o${ids.indexOf(id)}`, id)}),
        () => ({delete: keys.clusterKey('a')}),
        () => ({delete: keys.leaderKey('janitor')}),
        () => ({delete: '/scan/s1/typo'}),
        () => ({deletePrefix: keys.scanChildren(id)}),
      ])();
    };
    const proxy = await TcpProxy.start(etcd.endpoint);
    const writer = storeNode({endpoints: [etcd.endpoint], store: {prefix}});
    try {
      await withNode(
        async (node) => {
          let revision = 0;
          const seen: number[] = [];
          node.cache.onChange(() => seen.push(node.cache.revision), new AbortController().signal);
          for (let round = 0; round < 6; round++) {
            for (let n = 0; n < 60; n++) {
              const ops = new Map<string, Op>();
              for (let i = 0; i < 1 + Math.floor(random() * 3); i++) {
                const op = anOp();
                if ('deletePrefix' in op) {
                  ops.clear();
                  ops.set('', op);
                  break;
                }
                ops.set('put' in op ? op.put : op.delete, op);
              }
              revision = (await writer.store.commit({compares: [], ops: [...ops.values()]})).revision;
              const chance = random();
              if (chance < 0.03) proxy.cutAll(random() < 0.5);
              else if (chance < 0.05) proxy.refuse();
              else if (chance < 0.08) {
                await writer.members.preferred.kv.compact({revision: Math.max(1, revision - pick([0, 1, 30]))}, within(2000)).catch(() => {});
              } else if (chance < 0.2) proxy.heal();
            }
            proxy.heal();
            await expectExact(node);
          }
          expect(seen).toEqual([...seen].sort((a, b) => a - b));
          expect(revision).toBeGreaterThan(0);
        },
        {endpoints: [proxy.endpoint], log: silentLog},
      );
    } finally {
      await writer.stop();
      await proxy.stop();
    }
  });
});
