import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {ChainRun} from '../../src/model/chain-run.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {NOOP} from '../../src/schema/chain.ts';
import type {Job} from '../../src/schema/job.ts';
import {chainKey, controlKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import {stageChain} from '../../src/store/chain-store.ts';
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
  system = await TestSystem.start({etcd});
  await Promise.all([system.startReplica(), system.startReplica()]);
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

/** A chain of shell commands: begin → all of `layers`, one after the other, each side by side → end. */
function shellChain(layers: readonly Readonly<Record<string, string>>[], more: Partial<Chain> = {}, retry = 0): Chain {
  const jobs: Record<string, Chain['jobs'][string]> = {};
  const adjacency: Record<string, string[]> = {};
  const types: Record<string, NonNullable<Chain['types']>[string]> = {};
  const add = (id: string, after: readonly string[], script?: string): string => {
    jobs[id] = {
      name: id,
      type: script === undefined ? NOOP : id,
      cluster: script === undefined ? '' : 'local',
      count: 1,
      retry: script === undefined ? 0 : retry,
      sequence: 'begin',
    };
    if (script !== undefined) types[id] = {run: {kind: 'command', command: ['/bin/sh', '-c', script]}};
    adjacency[id] = [];
    for (const before of after) adjacency[before]?.push(id);
    return id;
  };
  let last = [add('begin', [])];
  for (const layer of layers) last = Object.entries(layer).map(([id, script]) => add(id, last, script));
  add('end', last);
  return {jobs, adjacency, types, sequences: {begin: {retry: 0}}, ...more};
}

/** As an operator would: the chain, then the request, with etcdctl. */
async function put(id: string, chain: Chain): Promise<void> {
  await etcd.etcdctl(['put', chainKey(id), canonicalJson(chain)]);
  await etcd.etcdctl(['put', scanKey(id), '{"type":"by-hand"}']);
}

async function stateOf(id: string): Promise<ScanState | undefined> {
  const stored = await system.database.store.get(stateKey(id));
  return stored === undefined ? undefined : parseScanState(stored.value.toString(), stateKey(id));
}

async function ended(id: string): Promise<ScanState> {
  return eventually(async () => {
    const state = await stateOf(id);
    expect(['COMPLETE', 'FAIL', 'STOPPED']).toContain(state?.name);
    return state as ScanState;
  });
}

const tries = (id: string): [string, number][] =>
  [...(system.database.cache.scans.get(id)?.jobs ?? [])]
    .map(([job, {value}]): [string, number] => [job, value.tries_total])
    .sort(([a], [b]) => (a < b ? -1 : 1));

describe('a request put with etcdctl, chain and all', () => {
  test('runs its commands in order, side by side where it may, and is COMPLETE', async () => {
    await put('chain1', shellChain([{a: 'true'}, {b: 'true', c: 'true'}, {d: 'echo done'}]));
    expect(await ended('chain1')).toMatchObject({name: 'COMPLETE', jobs_total: 6, jobs_finished: 6});
    await system.database.cache.catchUp();
    expect(tries('chain1')).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 1],
      ['d', 1],
    ]);
    const {entries} = await system.database.store.range('~log/chain1/');
    expect(entries.map(({key}) => key)).toEqual(['~log/chain1/a/1', '~log/chain1/b/1', '~log/chain1/c/1', '~log/chain1/d/1']);
    expect(JSON.parse(entries.at(-1)?.value.toString() ?? '')).toMatchObject({name: 'd', state: 'COMPLETE', exit: 0, stdout: 'done\n'});
  });

  test('a command that fails is tried again as often as it may, and the request then FAILs with its reason', async () => {
    await put('chain2', shellChain([{a: 'exit 3'}, {b: 'true'}], {}, 2));
    expect(await ended('chain2')).toMatchObject({name: 'FAIL', reason: 'job a failed: exit code 3', jobs_finished: 1});
    await system.database.cache.catchUp();
    expect(tries('chain2')).toEqual([['a', 3]]);
  });

  test('a chain whose order is a circle makes the request FAIL with that reason, and nothing else', async () => {
    const chain = shellChain([{a: 'true'}]);
    await put('chain3', {...chain, adjacency: {...chain.adjacency, end: ['begin']}});
    expect(await ended('chain3')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('in a circle') as string});
  });

  test('a request of a type that nobody knows, without a chain, FAILs with that reason', async () => {
    await etcd.etcdctl(['put', scanKey('chain4'), '{"type":"nobody-knows","args":{"a":1}}']);
    expect(await ended('chain4')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('nobody-knows') as string});
  });

  test('a request whose owner goes away runs on under another one, and no job runs twice', async () => {
    await put('chain5', shellChain([{a: 'sleep 0.2'}, {b: 'sleep 1.5'}, {c: 'true'}]));
    await eventually(() => expect(tries('chain5').map(([job]) => job)).toContain('b'));
    await etcd.etcdctl(['del', '/scan/chain5/owner']);
    expect(await ended('chain5')).toMatchObject({name: 'COMPLETE'});
    await system.database.cache.catchUp();
    expect(tries('chain5')).toEqual([
      ['a', 1],
      ['b', 1],
      ['c', 1],
    ]);
  });

  test('a suspended request stops its jobs, and goes on where it was when it is resumed', async () => {
    await put('chain6', shellChain([{a: 'true'}, {b: '[ -e "$HOME/again" ] || sleep 60'}, {c: 'true'}]));
    await eventually(() => expect(tries('chain6').map(([job]) => job)).toContain('b'));
    await etcd.etcdctl(['put', controlKey('chain6'), '{"desired":"suspend"}']);
    await eventually(async () => expect(await stateOf('chain6')).toMatchObject({name: 'SUSPENDED', jobs_finished: 2}));
    await etcd.etcdctl(['put', controlKey('chain6'), '{"desired":"stop"}']);
    expect(await ended('chain6')).toMatchObject({name: 'STOPPED'});
  });

  test('a chain too large for one value lies in a blob, and runs all the same', async () => {
    const layers = Array.from({length: 3}, (_, n) => ({[`j${n}`]: `# ${'x'.repeat(40_000)}\ntrue`}));
    const {store, blobs} = system.database;
    const staged = await stageChain(blobs, 'chain7', shellChain(layers));
    const key = {key: scanKey('chain7'), createRevision: 0};
    expect(await store.commit({compares: [...staged.compares, key], ops: [...staged.ops, {put: key.key, value: '{"type":"large"}'}]})).toMatchObject({
      ok: true,
    });
    expect(JSON.parse((await store.get(chainKey('chain7')))?.value.toString() ?? '')).toMatchObject({demand: [['local', 1]], jobs_total: 5});
    expect(await ended('chain7')).toMatchObject({name: 'COMPLETE', jobs_finished: 5});
  });

  test('what a job sets is given to those after it, and what it was created with stands in its environment and its document', async () => {
    const chain = shellChain([
      {a: `echo '{"tile":[7,8],"from":"a"}' > "$SCANPLANE_DATA_FILE"`},
      {b: `[ "$ARG_FIELD" = "x y" ] && grep -q '"tile":\\[7,8\\]' "$SCANPLANE_JOB_FILE" && cat && echo '{"from":"b"}' > "$SCANPLANE_DATA_FILE"`},
      {c: `grep -q '"from":"b"' "$SCANPLANE_JOB_FILE"`},
    ]);
    const planned = {...chain.jobs['b'], args: {field: 'x y'}} as Chain['jobs'][string];
    await put('chain8', {...chain, jobs: {...chain.jobs, b: planned}});
    expect(await ended('chain8')).toMatchObject({name: 'COMPLETE'});
    const log = await system.database.store.get('~log/chain8/b/1');
    const {stdout} = JSON.parse(log?.value.toString() ?? '') as {stdout: string};
    expect(JSON.parse(stdout)).toMatchObject({
      request_id: 'chain8',
      request_type: 'by-hand',
      name: 'b',
      try: 1,
      args: {field: 'x y'},
      data: {tile: [7, 8], from: 'a'},
    });
  });

  test('a job that leaves garbage as its data has failed, and its reason says so', async () => {
    await put('chain9', shellChain([{a: 'echo "no JSON" > "$SCANPLANE_DATA_FILE"'}]));
    expect(await ended('chain9')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('the data that it left cannot be used') as string});
  });

  test('a job says what became of it, whatever its exit code', async () => {
    await put('chain10', shellChain([{a: `echo '{"state":"FAIL","exit":"9007199254740993","error":"no such field"}' > "$SCANPLANE_OUTCOME_FILE"`}]));
    expect(await ended('chain10')).toMatchObject({name: 'FAIL', reason: 'job a failed: no such field'});
    const log = await system.database.store.get('~log/chain10/a/1');
    expect(JSON.parse(log?.value.toString() ?? '')).toMatchObject({state: 'FAIL', error: 'no such field', exact_exit: '9007199254740993'});
  });

  test('a try that takes longer than it may is ended and counts as a failure, though it takes its end calmly', async () => {
    const chain = shellChain([{a: 'trap "exit 0" TERM; sleep 60 & wait'}], {}, 1);
    await put('chain11', {...chain, jobs: {...chain.jobs, a: {...(chain.jobs['a'] as Chain['jobs'][string]), timeout: '300ms'}}});
    expect(await ended('chain11')).toMatchObject({name: 'FAIL', reason: expect.stringContaining('timed out after 0.3 s') as string});
    await system.database.cache.catchUp();
    expect(tries('chain11')).toEqual([['a', 2]]);
  });

  test('what a running job says of itself is seen while it runs', async () => {
    await put('chain12', shellChain([{a: 'echo "reading 3/9" > "$SCANPLANE_STATUS_FILE"; sleep 60'}]));
    await eventually(() => expect(system.database.cache.scans.get('chain12')?.jobs?.get('a')?.value.status).toBe('reading 3/9'));
    await etcd.etcdctl(['put', controlKey('chain12'), '{"desired":"stop"}']);
    expect(await ended('chain12')).toMatchObject({name: 'STOPPED'});
  });

  test('what is stored of a chain that ran says all that a fresh look needs', async () => {
    const record = system.database.cache.scans.get('chain1');
    const chain = record?.chain?.value as Chain;
    const jobs = [...(record?.jobs ?? [])].map(([id, {value}]): [string, Job] => [id, value]);
    expect(new ChainRun(chain, 1, Date.now(), jobs).isComplete).toBe(true);
  });
});
