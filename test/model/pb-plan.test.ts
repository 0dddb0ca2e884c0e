import {describe, expect, test} from 'vitest';
import type {DeployRecord, PbRecord} from '../../src/model/block-record.ts';
import {planPb} from '../../src/model/pb-plan.ts';
import type {PbStep} from '../../src/model/pb-plan.ts';
import type {PbState, PbStatus} from '../../src/schema/processing-block.ts';
import type {Script} from '../../src/schema/script.ts';
import {aDeployment, anEb, aPb, bad, dependsOn, lookups, realtime, valueOf} from '../support/block-records.ts';
import type {World} from '../support/block-records.ts';
import {entry} from '../support/builders.ts';

const OPTIONS = {defaultCluster: 'local', nowMs: Date.UTC(2026, 0, 1)};
const NOW = '2026-01-01 00:00:00';

const plan = (world: World, id = 'a'): PbStep => planPb(id, lookups(world), OPTIONS);

/** The step in short: what it does when, to which state, and the keys it removes. */
function inShort(step: PbStep, id = 'a'): unknown {
  if (step.kind === 'none' || step.kind === 'damaged') return step.kind;
  const {ops, reason} = step.write;
  const state = ops.some((op) => 'put' in op && op.put === `/pb/${id}/state`) ? (valueOf(ops, `/pb/${id}/state`) as PbState) : undefined;
  const removed = ops.flatMap((op) => ('delete' in op ? [op.delete] : []));
  const put = ops.flatMap((op) => ('put' in op && op.put !== `/pb/${id}/state` ? [op.put] : []));
  return {
    kind: step.kind,
    ...(state === undefined
      ? {}
      : {state: state.status, ...(state.status === 'WAITING' && state.resources_available === true ? {isReleased: true} : {})}),
    ...(reason === undefined ? {} : {reason}),
    ...(put.length === 0 ? {} : {put}),
    ...(removed.length === 0 ? {} : {removed}),
  };
}

const at = (status: PbStatus, more: Partial<PbState> = {}): PbState => ({status, resources_available: false, ...more});
const running = aDeployment('proc-a-script', {pb_id: 'a'}, {});
const finished = (id: string): PbRecord => aPb(id, {state: at('FINISHED')});
const granted = {attempt: 1, slots: {local: 1}, admitted_at: ''};
const fails = (reason: string): unknown => ({kind: 'write', state: 'FAILED', reason});

describe('a block without a state', () => {
  const start = {kind: 'write', state: 'STARTING', put: ['/deploy/proc-a-script']};
  const script = (value: Script): World => ({scripts: [{id: 'batch:vis:1.0', spec: entry(value)}]});
  const cases: readonly [string, World, unknown][] = [
    ['starts', {pbs: [aPb('a')]}, start],
    ['starts before what it depends on is done', {pbs: [aPb('a', {spec: dependsOn('b')}), aPb('b')]}, start],
    ['starts before what it depends on is there', {pbs: [aPb('a', {spec: dependsOn('b')})]}, start],
    [
      'fails with what it depends on',
      {pbs: [aPb('a', {spec: dependsOn('b')}), aPb('b', {state: at('FAILED', {reason: 'r'})})]},
      fails('dependency b failed: r'),
    ],
    ['fails for a script without image and command', {pbs: [aPb('a')], ...script({env: []})}, fails('No image for batch script vis, version 1.0')],
    ['takes a script with a command alone', {pbs: [aPb('a')], ...script({command: ['c']})}, start],
    [
      'fails for a script that no key could have',
      {pbs: [aPb('a', {spec: {script: {kind: 'b:c', name: '/', version: '1'}}})]},
      fails('No image for b:c script /, version 1'),
    ],
    ['fails for a cluster that does not exist', {pbs: [aPb('a')], ...script({image: 'i', cluster: 'far'})}, fails('no cluster is called far')],
    ['waits for the repair of a cluster', {pbs: [aPb('a')], clusters: {local: 'damaged'}}, 'damaged'],
    [
      'waits for the repair of a script',
      {pbs: [aPb('a')], scripts: [{id: 'batch:vis:1.0', bad: new Map([['spec', bad('/script/batch:vis:1.0')]])}]},
      'damaged',
    ],
    [
      'waits for the repair of its deployment',
      {pbs: [aPb('a')], deployments: [{id: 'proc-a-script', bad: new Map([['spec', bad('/deploy/proc-a-script')]])}]},
      'damaged',
    ],
    ['takes the deployment that is there', {pbs: [aPb('a')], deployments: [running]}, {kind: 'write', state: 'STARTING'}],
    [
      'fails when that deployment is another’s',
      {pbs: [aPb('a')], deployments: [aDeployment('proc-a-script', {pb_id: 'z'})]},
      fails('deployment proc-a-script is there already, and belongs to z'),
    ],
    [
      'is cancelled when it is realtime and its execution block is over',
      {pbs: [aPb('a', {spec: realtime('e')})], ebs: [anEb('e', 'FINISHED')]},
      {
        ...{kind: 'write', state: 'CANCELLED', reason: 'execution block e is FINISHED'},
      },
    ],
    ['starts when it is batch and its execution block is over', {pbs: [aPb('a', {spec: {eb_id: 'e'}})], ebs: [anEb('e', 'CANCELLED')]}, start],
    ['is left alone while its key is damaged', {pbs: [{id: 'a', bad: new Map([['spec', bad('/pb/a')]])}]}, 'none'],
  ];
  test.each(cases)('%s', (_title, world, expected) => {
    expect(inShort(plan(world))).toEqual(expected);
  });

  test('compares the block, its absent state, the absent deployment and the script', () => {
    expect(plan({pbs: [aPb('a')]})).toMatchObject({
      write: {
        compares: [
          {key: '/pb/a', modRevision: 10},
          {key: '/pb/a/state', modRevision: 0},
          {key: '/deploy/proc-a-script', modRevision: 0},
          {key: '/script/batch:vis:1.0', modRevision: 5},
        ],
      },
    });
  });

  test('deploys its script with what the script and the block say, and no address or token', () => {
    const scripts = [{id: 'batch:vis:1.0', spec: entry({image: 'i', env: [['A', '1'] as const], slots: 3})}];
    const step = plan({pbs: [aPb('a', {spec: {parameters: {n: 1}}})], scripts});
    expect(step.kind === 'write' && valueOf(step.write.ops, '/deploy/proc-a-script')).toEqual({
      ...{id: 'proc-a-script', type: 'job', pb_id: 'a'},
      args: {
        ...{image: 'i', cluster: 'local', slots: 3},
        env: [
          ['A', '1'],
          ['SCANPLANE_PB_ID', 'a'],
        ],
        values: {pb_id: 'a', eb_id: null, image: 'i', parameters: {n: 1}, script: {kind: 'batch', name: 'vis', version: '1.0'}},
      },
    });
  });
});

describe('a block that waits', () => {
  const waiting = (spec: Readonly<Record<string, unknown>> = {}, more: object = {}): PbRecord => aPb('a', {spec, state: at('WAITING'), ...more});
  const world = (a: PbRecord, ...pbs: readonly PbRecord[]): World => ({pbs: [a, ...pbs], deployments: [running]});
  const release = {kind: 'write', state: 'WAITING', isReleased: true};
  const later = (reason: string): unknown => ({kind: 'later', state: 'FAILED', reason});
  const cases: readonly [string, World, unknown][] = [
    ['is not released without its slots', world(waiting()), 'none'],
    ['is not released while one that it depends on runs', world(waiting(dependsOn('b')), aPb('b', {state: at('RUNNING')})), 'none'],
    ['is released with them', world(waiting({}, {admission: granted})), release],
    ['is released when all it depends on is done', world(waiting(dependsOn('b', 'c'), {admission: granted}), finished('b'), finished('c')), release],
    [
      'gives its slots back when one of them begins anew',
      world(waiting(dependsOn('b', 'c'), {admission: granted}), finished('b'), aPb('c', {state: at('RUNNING')})),
      {kind: 'write', removed: ['/pb/a/admission']},
    ],
    [
      'fails when it was granted nothing',
      world(waiting({}, {admission: {...granted, slots: {}, short: 'no cluster is called x'}})),
      fails('no cluster is called x'),
    ],
    ['is released at once when it is realtime', world(waiting(realtime())), release],
    ['is told no twice', world(aPb('a', {state: at('WAITING', {resources_available: true}), admission: granted})), 'none'],
    [
      'fails with a dependency that was cancelled',
      world(waiting(dependsOn('b')), aPb('b', {state: at('CANCELLED')})),
      fails('dependency b was cancelled'),
    ],
    ['waits for a dependency that does not exist for a while', world(waiting(dependsOn('b'))), later('dependency b does not exist')],
    ['waits for one whose state is of a former block', world(waiting(dependsOn('b')), aPb('b', {state: at('FINISHED'), since: 5})), 'none'],
    ['waits for one whose key is damaged', world(waiting(dependsOn('b')), {id: 'b', bad: new Map([['spec', bad('/pb/b')]])}), 'none'],
    ['does not ask what a realtime block depends on', world(waiting({...realtime(), ...dependsOn('b')})), release],
    ['fails on a circle', world(waiting(dependsOn('b')), aPb('b', {spec: dependsOn('a')})), fails('dependencies form a circle: a → b → a')],
    ['fails when it waits for itself', world(waiting(dependsOn('a'))), fails('dependencies form a circle: a → a')],
  ];
  test.each(cases)('%s', (_title, given, expected) => {
    expect(inShort(plan(given))).toEqual(expected);
  });

  test('keeps what its script said, and compares what it was released for', () => {
    const a = aPb('a', {spec: dependsOn('b'), state: at('WAITING', {deployments: {d: 'RUNNING'}, receive_addresses: {x: 1}}), admission: granted});
    const step = plan(world(a, finished('b')));
    expect(step.kind === 'write' && valueOf(step.write.ops, '/pb/a/state')).toEqual({
      ...{status: 'WAITING', resources_available: true, deployments: {d: 'RUNNING'}, receive_addresses: {x: 1}, last_updated: NOW},
    });
    expect(step).toMatchObject({
      write: {
        compares: [
          {key: '/pb/a', modRevision: 10},
          {key: '/pb/a/state', modRevision: 20},
          {key: '/pb/a/admission', modRevision: 20},
          {key: '/pb/b/state', modRevision: 20},
        ],
      },
    });
  });

  test('tells of a long reason only the beginning', () => {
    const step = plan(world(waiting(dependsOn('b')), aPb('b', {state: at('FAILED', {reason: 'x'.repeat(10_000)})})));
    expect(step.kind === 'write' && step.write.reason?.length).toBeLessThan(300);
  });
});

describe('a block that runs', () => {
  const runs = (more: object = {}): PbRecord => aPb('a', {state: at('RUNNING', {resources_available: true}), ...more});
  const deployed = (status: 'FINISHED' | 'FAILED' | 'CANCELLED', more: object = {}): DeployRecord[] => [
    aDeployment('proc-a-script', {pb_id: 'a'}, {status, ...more}),
  ];
  const live = (status: PbStatus, isClaimed: boolean): PbRecord => aPb('a', {spec: realtime('e'), state: at(status), isClaimed});
  const ebOver = (kind: string): unknown => ({kind, state: 'CANCELLED', reason: 'execution block e is CANCELLED'});
  const over = [anEb('e', 'CANCELLED')];
  const cases: readonly [string, World, unknown][] = [
    ['is left alone', {pbs: [runs({isClaimed: true})], deployments: [running]}, 'none'],
    ['fails with its script', {pbs: [runs()], deployments: deployed('FAILED', {reason: 'exit 1'})}, fails('script failed: exit 1')],
    [
      'fails when its script ended without saying so',
      {pbs: [runs()], deployments: deployed('FINISHED')},
      fails('script ended without a final state'),
    ],
    ['goes on while somebody holds it', {pbs: [runs({isClaimed: true})], deployments: deployed('FINISHED')}, 'none'],
    ['goes on when a former deployment failed', {pbs: [runs()], deployments: deployed('FAILED', {of: 7})}, 'none'],
    [
      'is cancelled when its script ended while it was being cancelled',
      {pbs: [aPb('a', {state: at('CANCELLING')})], deployments: deployed('FINISHED')},
      {
        ...{kind: 'write', state: 'CANCELLED', reason: 'script ended without a final state'},
      },
    ],
    [
      'fails some time after its deployment was removed',
      {pbs: [runs()]},
      {kind: 'later', state: 'FAILED', reason: 'deployment proc-a-script was removed'},
    ],
    ['goes on without a deployment while somebody holds it', {pbs: [runs({isClaimed: true})]}, 'none'],
    ['goes on with a chart in its place', {pbs: [runs()], deployments: [aDeployment('proc-a-script', {type: 'helm'}, {status: 'FAILED'})]}, 'none'],
    [
      'is cancelled at once with its execution block, when nobody holds it',
      {pbs: [live('STARTING', false)], ebs: over, deployments: [running]},
      ebOver('write'),
    ],
    [
      'gets time to end with its execution block, when somebody does',
      {pbs: [live('RUNNING', true)], ebs: over, deployments: [running]},
      ebOver('later'),
    ],
    ['is not released any more after its execution block', {pbs: [live('WAITING', true)], ebs: over, deployments: [running]}, ebOver('later')],
    ['goes on while its execution block does', {pbs: [live('RUNNING', true)], ebs: [anEb('e', 'SCANNING')], deployments: [running]}, 'none'],
    [
      'hears of its execution block from the state that is kept apart',
      {pbs: [live('RUNNING', true)], ebs: [{...anEb('e', 'ACTIVE'), state: entry({status: 'CANCELLED' as const}, 20)}], deployments: [running]},
      ebOver('later'),
    ],
    [
      'does not take the state of a former execution block for its own',
      {pbs: [live('RUNNING', true)], ebs: [{...anEb('e', 'ACTIVE'), state: entry({status: 'CANCELLED' as const}, 5)}], deployments: [running]},
      'none',
    ],
    ['of kind batch outlives its execution block', {pbs: [runs({spec: {eb_id: 'e'}})], ebs: over, deployments: [running]}, 'none'],
    ['is left alone while its state is damaged', {pbs: [{...aPb('a'), bad: new Map([['state', bad('/pb/a/state')]])}], ebs: over}, 'none'],
  ];
  test.each(cases)('%s', (_title, given, expected) => {
    expect(inShort(plan(given))).toEqual(expected);
  });

  test('is failed only while nobody claims it', () => {
    const step = plan({pbs: [runs()], deployments: deployed('FAILED')});
    expect(step.kind === 'write' && step.write.compares).toContainEqual({key: '/pb/a/owner', modRevision: 0});
  });
});

describe('a block that is over', () => {
  const done = (more: object = {}): PbRecord => aPb('a', {state: at('FINISHED'), ...more});
  const engine = aDeployment('proc-a-dask', {}, {});
  const cases: readonly [string, World, unknown][] = [
    ['is left alone', {pbs: [done()], deployments: [aDeployment('proc-a-script', {pb_id: 'a'}, {status: 'FINISHED'})]}, 'none'],
    ['gives its slots back', {pbs: [done({admission: granted})], deployments: [running]}, {kind: 'write', removed: ['/pb/a/admission']}],
    [
      'gets time to end what runs',
      {pbs: [done()], deployments: [running, engine]},
      {kind: 'later', removed: ['/deploy/proc-a-script', '/deploy/proc-a-dask']},
    ],
    ['leaves charts to others', {pbs: [done()], deployments: [aDeployment('proc-a-dask', {type: 'helm'})]}, 'none'],
    ['leaves alone what may be another block’s', {pbs: [done(), aPb('a-b')], deployments: [aDeployment('proc-a-b-dask', {}, {})]}, 'none'],
    ['leaves alone what says that it is another’s', {pbs: [done()], deployments: [aDeployment('proc-a-dask', {pb_id: 'z'}, {})]}, 'none'],
  ];
  test.each(cases)('%s', (_title, given, expected) => {
    expect(inShort(plan(given))).toEqual(expected);
  });
});

describe('what was left of a former block', () => {
  const stale = aPb('a', {state: at('RUNNING'), admission: granted, isClaimed: true, since: 5});
  const old = aDeployment('proc-a-script', {pb_id: 'a'}, {}, 5);
  const all = ['/pb/a/state', '/pb/a/admission', '/pb/a/owner'];
  const cases: readonly [string, World, unknown][] = [
    ['goes with its deployments', {pbs: [stale], deployments: [old]}, {kind: 'write', removed: [...all, '/deploy/proc-a-script']}],
    ['goes without those that are new', {pbs: [stale], deployments: [running]}, {kind: 'write', removed: all}],
    ['goes also when only the deployment is old', {pbs: [aPb('a')], deployments: [old]}, {kind: 'write', removed: ['/deploy/proc-a-script']}],
    ['does not go with what a present state is about', {pbs: [aPb('a', {state: at('RUNNING')})], deployments: [old]}, 'none'],
    [
      'goes when its block does not exist',
      {pbs: [{id: 'a', state: entry(at('RUNNING')), bad: new Map([['owner', bad('/pb/a/owner')]])}]},
      {kind: 'write', removed: ['/pb/a/state', '/pb/a/owner']},
    ],
    ['is the scheduler’s where it is a place in the backlog', {pbs: [{id: 'a', waiting: new Map()}]}, 'none'],
  ];
  test.each(cases)('%s', (_title, given, expected) => {
    expect(inShort(plan(given))).toEqual(expected);
  });
});
