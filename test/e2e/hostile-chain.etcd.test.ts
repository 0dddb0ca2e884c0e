import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {parseJob} from '../../src/schema/job.ts';
import {admissionKey, chainKey, clusterKey, controlKey, jobKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import type {Chain, PlannedJob} from '../../src/schema/chain.ts';
import {parseScanState} from '../../src/schema/state.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

let etcd: TestEtcd;
let system: TestSystem;

beforeAll(async () => {
  etcd = await startEtcd();
  const clusters = {
    left: {engine: 'process', capacity: 1, settings: {}},
    fragile: {engine: 'process', capacity: 1, settings: {}},
    right: {engine: 'process', capacity: 1, settings: {}},
    outside: {engine: 'external', capacity: 9, settings: {}},
    away: {engine: 'no-such-engine', capacity: 9, settings: {}},
  };
  system = await TestSystem.start({etcd, clusters});
  await Promise.all([system.startReplica(), system.startReplica()]);
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

type Scripts = Readonly<Record<string, string | ({readonly script: string} & Partial<PlannedJob>)>>;

/** Shell commands, each layer after the one before; on the cluster `local` unless told. */
function shellChain(layers: readonly Scripts[]): Chain {
  const jobs: Record<string, PlannedJob> = {};
  const types: Record<string, NonNullable<Chain['types']>[string]> = {};
  const adjacency: Record<string, string[]> = {};
  let last: string[] = [];
  for (const layer of layers) {
    for (const [id, what] of Object.entries(layer)) {
      const {script, ...more} = typeof what === 'string' ? {script: what} : what;
      jobs[id] = {type: id, cluster: 'local', count: 1, retry: 0, sequence: Object.keys(layers[0] ?? {})[0] ?? id, ...more};
      types[id] = {run: {kind: 'command', command: ['/bin/sh', '-c', script]}};
      adjacency[id] = [];
      for (const before of last) adjacency[before]?.push(id);
    }
    last = Object.keys(layer);
  }
  return {jobs, adjacency, types};
}

async function put(id: string, chain: Chain): Promise<void> {
  await etcd.etcdctl(['put', chainKey(id), canonicalJson(chain)]);
  await etcd.etcdctl(['put', scanKey(id), '{"type":"by-hand"}']);
}

async function stateOf(id: string): Promise<ScanState | undefined> {
  const stored = await system.database.store.get(stateKey(id));
  return stored === undefined ? undefined : parseScanState(stored.value.toString(), stateKey(id));
}

async function ended(id: string): Promise<ScanState> {
  const state = await eventually(async () => {
    const state = await stateOf(id);
    expect(['COMPLETE', 'FAIL', 'STOPPED']).toContain(state?.name);
    return state as ScanState;
  });
  expect(await system.database.store.get(admissionKey(id)), 'its slots are given back').toBeUndefined();
  return state;
}

async function started(id: string, job: string): Promise<void> {
  await eventually(() => expect(system.database.cache.scans.get(id)?.jobs?.get(job)?.value.tries.at(-1)?.handle).toBeDefined());
}

describe.concurrent('a request with a chain comes to its end', () => {
  test('when a job hands on a long list of small numbers', async () => {
    const list = `i=0; printf '{"l":[0'; while [ $i -lt 6000 ]; do printf ',1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1'; i=$((i+1)); done; printf ']}'`;
    await put('list1', shellChain([{a: `{ ${list}; } > "$SCANPLANE_DATA_FILE"`}, {b: `[ "$(wc -c < "$SCANPLANE_JOB_FILE")" -gt 240000 ]`}]));
    expect(await ended('list1')).toMatchObject({name: 'COMPLETE'});
  });

  test('when one of its jobs is to run on a cluster that does not exist: that one fails, the rest goes on', async () => {
    await put('lost1', shellChain([{a: 'true'}, {b: {script: 'true', cluster: 'nowhere'}, c: 'sleep 0.5'}]));
    expect(await ended('lost1')).toMatchObject({name: 'FAIL', reason: 'job b failed: no cluster is called nowhere', jobs_finished: 2});
  });

  test('when its cluster is external, or its jobs wait for each other in a circle', async () => {
    await put('outside1', shellChain([{a: {script: 'true', cluster: 'outside'}}]));
    const chain = shellChain([{a: 'true'}, {b: 'true'}, {c: 'true'}]);
    await put('circle1', {...chain, adjacency: {...chain.adjacency, c: ['a']}});
    await put('odd1', shellChain([{'a/b': 'true'}]));
    expect(await ended('outside1')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('outside is external') as string});
    expect(await ended('circle1')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('in a circle') as string});
    expect(await ended('odd1')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('no job can be called "a/b"') as string});
  });

  test('when two of them need the same two clusters', async () => {
    const both = (first: string, second: string): Chain =>
      shellChain([{a: {script: 'sleep 0.3', cluster: first}}, {b: {script: 'true', cluster: second}}]);
    await put('hold1', shellChain([{a: {script: 'sleep 1', cluster: 'right'}}]));
    await started('hold1', 'a');
    await put('both1', both('left', 'right'));
    await put('both2', both('right', 'left'));
    expect(await ended('both1')).toMatchObject({name: 'COMPLETE'});
    expect(await ended('both2')).toMatchObject({name: 'COMPLETE'});
  });

  test('when a cluster of its is away, as soon as somebody stops it; what goes on elsewhere is seen meanwhile, and why the rest waits', async () => {
    await put('away1', shellChain([{a: 'true'}, {b: {script: 'true', cluster: 'away'}, c: 'sleep 0.3'}, {d: 'true'}]));
    await eventually(() => expect(system.database.cache.scans.get('away1')?.jobs?.get('c')?.value.state).toBe('COMPLETE'));
    const state = (): ScanState | undefined => system.database.cache.scans.get('away1')?.state?.value;
    await eventually(() =>
      expect(state()).toMatchObject({name: 'RUNNING', reason: expect.stringMatching(/^waits: cluster away: this replica has no engine/) as string}),
    );
    await etcd.etcdctl(['put', controlKey('away1'), '{"desired":"stop"}']);
    expect(await ended('away1')).toMatchObject({name: 'STOPPED'});
  });

  test('when its cluster was away and comes back: then nothing says any more that it waits', async () => {
    const cluster = (engine: string): string => JSON.stringify({engine, capacity: 1, settings: {}});
    await etcd.etcdctl(['put', clusterKey('late'), cluster('no-such-engine')]);
    await put('late1', shellChain([{a: {script: 'true', cluster: 'late'}}]));
    const state = (): ScanState | undefined => system.database.cache.scans.get('late1')?.state?.value;
    await eventually(() => expect(state()?.reason).toBe('waits: cluster late: this replica has no engine no-such-engine'));
    await etcd.etcdctl(['put', clusterKey('late'), cluster('process')]);
    const end = await ended('late1');
    expect(end).toMatchObject({name: 'COMPLETE'});
    expect(end.reason ?? '').not.toContain('waits');
  });

  test('when it was suspended before it had a chain, and nobody can build one', async () => {
    await etcd.etcdctl(['put', controlKey('unbuilt1'), '{"desired":"suspend"}']);
    await etcd.etcdctl(['put', scanKey('unbuilt1'), '{"type":"nobody-knows"}']);
    expect(await ended('unbuilt1')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('nobody-knows') as string});
    await etcd.etcdctl(['put', controlKey('unbuilt2'), '{"desired":"hold"}']);
    await etcd.etcdctl(['put', scanKey('unbuilt2'), '{"type":"nobody-knows"}']);
    expect(await ended('unbuilt2')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('nobody-knows') as string});
  });

  test('when its keys are damaged while a job ends, and repaired: nothing of what that job said is lost', async () => {
    const chain = shellChain([{a: `sleep 1; echo '{"tile":7}' > "$SCANPLANE_DATA_FILE"`}, {b: `grep -q '"tile":7' "$SCANPLANE_JOB_FILE"`}]);
    const damage = async (part: 'spec' | 'chain' | 'admission' | 'state'): Promise<void> => {
      const id = `damaged_${part}`;
      const key = part === 'spec' ? scanKey(id) : `/scan/${id}/${part}`;
      await put(id, chain);
      await started(id, 'a');
      const text = (await system.database.store.get(key))?.value.toString() ?? '';
      await etcd.etcdctl(['put', key, '{"broken']);
      await eventually(() => expect(system.database.cache.bad.has(key)).toBe(true));
      await eventually(() => expect(existsSync(join(system.runDirectory, 'scans', id, 'jobs', 'a', '1', 'exit.json'))).toBe(true));
      await etcd.etcdctl(['put', key, text]);
      expect({part, ...(await ended(id))}).toMatchObject({name: 'COMPLETE'});
    };
    await Promise.all([damage('spec'), damage('chain'), damage('admission'), damage('state')]);
  });

  test('when an operator deletes whatever there is of it beside its chain, while it runs', async () => {
    const chain = shellChain([{a: 'true'}, {b: 'sleep 1'}, {c: 'true'}]);
    const remove = async (part: 'state' | 'admission' | 'owner' | 'job/a' | 'job/b'): Promise<void> => {
      const id = `deleted_${part.replace('/', '_')}`;
      await put(id, chain);
      await started(id, 'b');
      await etcd.etcdctl(['del', `/scan/${id}/${part}`]);
      expect({part, ...(await ended(id))}).toMatchObject({name: 'COMPLETE', jobs_finished: 3});
    };
    await Promise.all([remove('state'), remove('admission'), remove('owner'), remove('job/a'), remove('job/b')]);
  });

  test('when its chain is replaced by another while it runs', async () => {
    await put('replaced1', shellChain([{a: 'sleep 0.5'}, {b: 'sleep 60'}]));
    await started('replaced1', 'a');
    await etcd.etcdctl(['put', chainKey('replaced1'), canonicalJson(shellChain([{x: 'true'}, {y: 'true'}]))]);
    expect(await ended('replaced1')).toMatchObject({name: 'COMPLETE', jobs_total: 2, jobs_finished: 2});
  });

  test('when its chain is replaced by another while a job runs that the new one does not have', async () => {
    await put('replaced2', shellChain([{a: 'true'}, {b: 'sleep 60'}]));
    await started('replaced2', 'b');
    await etcd.etcdctl(['put', chainKey('replaced2'), canonicalJson(shellChain([{x: 'true'}, {y: 'true'}]))]);
    expect(await ended('replaced2')).toMatchObject({name: 'COMPLETE', jobs_total: 2, jobs_finished: 2});
  });

  test('when its jobs leave pipes, links, folders and noise where they are to speak', async () => {
    const wild: Scripts = {
      a: 'mkfifo "$SCANPLANE_DATA_FILE"',
      b: 'ln -s /etc/passwd "$SCANPLANE_OUTCOME_FILE"',
      c: 'mkdir "$SCANPLANE_STATUS_FILE"',
      d: 'head -c 300000 /dev/urandom > "$SCANPLANE_DATA_FILE"; head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2; exit 1',
      e: 'rm -rf "$(dirname "$SCANPLANE_DATA_FILE")"',
      f: 'mkfifo "$SCANPLANE_STATUS_FILE"; sleep 1; exit 1',
      g: 'cd "$(dirname "$SCANPLANE_DATA_FILE")/.." && mkfifo exit.json; sleep 1; exit 1',
    };
    await put('wild1', shellChain([wild]));
    expect(await ended('wild1')).toMatchObject({name: 'FAIL', jobs_finished: 1});
    const log = await system.database.store.get('~log/wild1/b/1');
    expect(log?.value.toString()).not.toContain('root:');
  });

  test('when a job replaces its own output by a pipe that nobody writes to', async () => {
    await put('pipe1', shellChain([{a: 'cd "$(dirname "$SCANPLANE_DATA_FILE")/.."; echo x; sleep 0.2; rm -f 0.stdout.0; mkfifo 0.stdout.0'}]));
    expect(await ended('pipe1')).toMatchObject({name: 'COMPLETE'});
  });

  test('when a job forks, ignores what it is told and outlives its parent', async () => {
    await put('forks1', shellChain([{a: `(trap '' TERM; setsid sleep 300 & sleep 300) & exit 0`}, {b: 'true'}]));
    expect(await ended('forks1')).toMatchObject({name: 'COMPLETE'});
    await put('forks2', shellChain([{a: `trap '' TERM; while true; do sleep 300; done`}]));
    await started('forks2', 'a');
    await etcd.etcdctl(['put', controlKey('forks2'), '{"desired":"stop"}']);
    expect(await ended('forks2')).toMatchObject({name: 'FAIL'});
  });

  test('when it is suspended, resumed, stopped and deleted in one breath, before and after its admission', async () => {
    const wishes = [
      '{"desired":"suspend"}',
      '{"desired":"run"}',
      '{"desired":"suspend"}',
      '{"desired":"run","attempt":3}',
      '{"desired":"stop","is_deleted":true}',
    ];
    await put('breath1', shellChain([{a: 'sleep 60'}, {b: 'true'}]));
    for (const wish of wishes) await etcd.etcdctl(['put', controlKey('breath1'), wish]);
    expect(await ended('breath1')).toMatchObject({name: 'STOPPED'});
    await etcd.etcdctl(['put', controlKey('breath1'), '{"desired":"run","attempt":9}']);
    await eventually(async () => expect(await stateOf('breath1')).toMatchObject({name: 'RUNNING', attempt: 9}));
    await started('breath1', 'a');
    for (const wish of wishes) await etcd.etcdctl(['put', controlKey('breath1'), wish.replace('3', '12')]);
    expect(await ended('breath1')).toMatchObject({name: 'STOPPED'});
    const job = await system.database.store.get(jobKey('breath1', 'a'));
    expect(parseJob(job?.value.toString() ?? '', 'a').failures).toBe(0);
  });

  test('when the key of its cluster is damaged while it runs, and repaired', async () => {
    await put(
      'cluster1',
      shellChain([{a: {script: 'sleep 0.5', cluster: 'fragile'}}, {b: {script: 'sleep 0.5', cluster: 'fragile', retry: 3, retry_wait: '300ms'}}]),
    );
    await started('cluster1', 'a');
    const text = (await system.database.store.get(clusterKey('fragile')))?.value.toString() ?? '';
    await etcd.etcdctl(['put', clusterKey('fragile'), 'damaged']);
    await eventually(() => expect(system.database.cache.scans.get('cluster1')?.jobs?.get('a')?.value.state).toBe('COMPLETE'));
    await etcd.etcdctl(['put', clusterKey('fragile'), text]);
    expect(await ended('cluster1')).toMatchObject({name: 'COMPLETE'});
  });
});

test('nothing is left of any of them: no backlog entry, no owner, no slot, no process', async () => {
  await eventually(async () => {
    expect((await system.database.store.range('/backlog/')).entries.map(({key}) => key)).toEqual([]);
    const scans = [...system.database.cache.scans.values()];
    expect(scans.filter(({owner, admission}) => owner !== undefined || admission !== undefined).map(({id}) => id)).toEqual([]);
    expect(scans.filter(({jobs}) => jobs?.hasOpen === true).map(({id}) => id)).toEqual([]);
  });
});
