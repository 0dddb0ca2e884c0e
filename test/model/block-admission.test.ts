import {expect, test} from 'vitest';
import {demandOfBlock, grantForBlock, holdBackForBlock, waitsForSlots} from '../../src/model/block-admission.ts';
import type {PbRecord} from '../../src/model/block-record.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import {aDeployment, aPb, bad, dependsOn, lookups, realtime} from '../support/block-records.ts';
import {entry} from '../support/builders.ts';

const clusters = new Map([
  ['local', {capacity: 8, engine: 'process'}],
  ['none', {capacity: 0, engine: 'process'}],
  ['outside', {capacity: 8, engine: 'external'}],
]);
const WAITING: PbState = {status: 'WAITING', resources_available: false};
const finished = (id: string): PbRecord => aPb(id, {state: {status: 'FINISHED'}});

test.each<[string, PbRecord, boolean]>([
  ['whose script waits', aPb('a', {state: WAITING}), true],
  ['that is done with all it depends on', aPb('a', {spec: dependsOn('b'), state: WAITING}), true],
  ['that depends on what is not done', aPb('a', {spec: dependsOn('b', 'c'), state: WAITING}), false],
  ['without a state', aPb('a'), false],
  ['whose script has not come so far', aPb('a', {state: {status: 'STARTING'}}), false],
  ['that was told to begin', aPb('a', {state: {...WAITING, resources_available: true}}), false],
  ['that was admitted', aPb('a', {state: WAITING, admission: {attempt: 1, slots: {local: 1}, admitted_at: ''}}), false],
  ['with the state of a former block', aPb('a', {state: WAITING, since: 5}), false],
  ['of kind realtime', aPb('a', {spec: realtime(), state: WAITING}), false],
  ['with a damaged admission', {...aPb('a', {state: WAITING}), bad: new Map([['admission', bad('/pb/a/admission')]])}, false],
])('a block %s waits for slots or not', (_title, record, expected) => {
  expect(waitsForSlots(record, lookups({pbs: [record, finished('b')]}))).toBe(expected);
});

test('a block takes what its script’s deployment names, else what its script does, else one slot of the default cluster', () => {
  const a = aPb('a');
  const deployment = aDeployment('proc-a-script', {args: {cluster: 'x', slots: 3}});
  const scripts = [{id: 'batch:vis:1.0', spec: entry({cluster: 'y', slots: 2})}];
  expect(demandOfBlock(a, lookups({deployments: [deployment], scripts}), 'local')).toEqual({cluster: 'x', slots: 3});
  expect(demandOfBlock(a, lookups({scripts}), 'local')).toEqual({cluster: 'y', slots: 2});
  expect(demandOfBlock(a, lookups({}), 'local')).toEqual({cluster: 'local', slots: 1});
});

test('a block gets all its slots or none, fewer only where its cluster has no more', () => {
  expect(grantForBlock({cluster: 'local', slots: 3}, new Map([['local', 3]]), clusters)).toEqual({slots: {local: 3}});
  expect(grantForBlock({cluster: 'local', slots: 3}, new Map([['local', 2]]), clusters)).toBeUndefined();
  expect(grantForBlock({cluster: 'local', slots: 9}, new Map([['local', 8]]), clusters)).toEqual({
    ...{slots: {local: 8}, short: 'local has 8 slots for the 9 asked'},
  });
  expect(grantForBlock({cluster: 'none', slots: 1}, new Map([['none', 0]]), clusters)).toBeUndefined();
});

test('a block that can never run is granted nothing, with the reason', () => {
  expect(grantForBlock({cluster: 'nope', slots: 1}, new Map(), clusters)).toEqual({slots: {}, short: 'no cluster is called nope'});
  expect(grantForBlock({cluster: 'outside', slots: 1}, new Map([['outside', 8]]), clusters)).toEqual({
    ...{slots: {}, short: 'cluster outside is external: no script can run there'},
  });
});

test('a block that waits takes what it waits for from those behind it, and nothing where there never was any', () => {
  const free = new Map([
    ['local', 5],
    ['none', 0],
  ]);
  holdBackForBlock({cluster: 'local', slots: 6}, free, clusters);
  expect(free.get('local')).toBe(0);
  free.set('local', 5);
  holdBackForBlock({cluster: 'none', slots: 6}, free, clusters);
  holdBackForBlock({cluster: 'local', slots: 2}, free, clusters);
  expect(free.get('local')).toBe(3);
});
