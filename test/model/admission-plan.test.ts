import {describe, expect, test} from 'vitest';
import {grantFor, growthFor, holdBack, waitsForAdmission} from '../../src/model/admission-plan.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Chain, StoredChain} from '../../src/schema/chain.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {aScan, aSpec, entry} from '../support/builders.ts';
import {aChain} from '../support/chain-world.ts';

const {admission: _, ...waiting} = aScan({spec: entry(aSpec({request_clusters: [['local', 4]]}))});
const clusters = new Map([
  ['local', {capacity: 8}],
  ['small', {capacity: 2}],
]);

test('a scan gets all it asks when that is free', () => {
  expect(grantFor(waiting, new Map([['local', 8]]), clusters)).toEqual({slots: {local: 4}});
});

test('a scan starts with what is free, at least one worker', () => {
  expect(grantFor(waiting, new Map([['local', 1]]), clusters)).toEqual({slots: {local: 1}});
  expect(grantFor(waiting, new Map([['local', 0]]), clusters)).toBeUndefined();
});

test('a request above all capacity runs with fewer and says so', () => {
  const large = {...waiting, spec: entry(aSpec({request_clusters: [['small', 5]]}))};
  expect(grantFor(large, new Map([['small', 2]]), clusters)).toEqual({slots: {small: 2}, short: 'small has 2 slots for the 5 workers asked'});
});

test('a scan for a cluster that does not exist is granted nothing, with the reason', () => {
  const lost = {...waiting, spec: entry(aSpec({request_clusters: [['nope', 1]]}))};
  expect(grantFor(lost, new Map(), clusters)).toEqual({slots: {}, short: 'no cluster is called nope'});
});

test('a running scan grows into free slots up to what it asked', () => {
  const short = {...waiting, admission: entry({attempt: 1, slots: {local: 1}, admitted_at: ''})};
  expect(growthFor(short, new Map([['local', 2]]))).toEqual({local: 3});
  expect(growthFor(short, new Map([['local', 20]]))).toEqual({local: 4});
  expect(growthFor(short, new Map([['local', 0]]))).toBeUndefined();
});

test('only a scan that wants to run waits for admission', () => {
  expect(waitsForAdmission(waiting)).toBe(true);
  expect(waitsForAdmission({...waiting, control: entry({...DEFAULT_CONTROL, desired: 'stop'})})).toBe(false);
  expect(waitsForAdmission({...waiting, control: entry({...DEFAULT_CONTROL, is_deleted: true})})).toBe(false);
  expect(waitsForAdmission({...waiting, state: entry({name: 'COMPLETE', attempt: 1})})).toBe(false);
  expect(waitsForAdmission({...waiting, state: entry({name: 'SUSPENDED', attempt: 1})})).toBe(true);
  expect(waitsForAdmission(aScan())).toBe(false);
});

describe('a request with a chain', () => {
  const on = (...names: readonly string[]): ScanRecord => {
    const jobs = Object.fromEntries(names.map((cluster, n) => [String(n), {cluster}]));
    const chain = aChain(Object.fromEntries(names.slice(1).map((_name, n) => [n, [n + 1]])), {jobs});
    return {id: 'r1', spec: entry({type: 'anything', args: {}}), chain: entry(chain)};
  };
  const engines = new Map([
    ['a', {capacity: 1, engine: 'process'}],
    ['b', {capacity: 1, engine: 'process'}],
    ['none', {capacity: 0, engine: 'process'}],
    ['outside', {capacity: 9, engine: 'external'}],
  ]);

  test('gets slots on all of its clusters or on none: two that hold one each would wait for each other for ever', () => {
    const both = on('a', 'b');
    const free = (a: number, b: number): Map<string, number> => new Map(Object.entries({a, b}));
    expect(grantFor(both, free(1, 1), engines)).toEqual({slots: {a: 1, b: 1}});
    expect(grantFor(both, free(1, 0), engines)).toBeUndefined();
    expect(grantFor(both, free(0, 1), engines)).toBeUndefined();
    // Else younger ones would take what it waits for, one after the other.
    const left = free(5, 0);
    holdBack(both, left, engines);
    expect(Object.fromEntries(left)).toEqual({a: 4, b: 0});
  });

  test('waits for as many slots as its largest job takes, as far as its cluster has them', () => {
    const chain = aChain({1: [2]}, {jobs: {1: {count: 3}}});
    const wide = (value: Chain | StoredChain): ScanRecord => ({id: 'r1', spec: entry({type: 'anything', args: {}}), chain: entry(value)});
    const stored = {blob: {} as StoredChain['blob'], demand: [['local', 3]], largest: [['local', 3]], jobs_total: 2} as const;
    for (const record of [wide(chain), wide(stored)]) {
      expect(grantFor(record, new Map([['local', 2]]), clusters)).toBeUndefined();
      expect(grantFor(record, new Map([['local', 3]]), clusters)).toEqual({slots: {local: 3}});
      expect(grantFor(record, new Map([['local', 2]]), new Map([['local', {capacity: 2}]]))).toMatchObject({slots: {local: 2}});
      const left = new Map([['local', 5]]);
      holdBack(record, left, clusters);
      expect(left.get('local')).toBe(2);
    }
  });

  test('waits for a cluster that has no slots without keeping others from the ones that have', () => {
    const drained = on('a', 'none');
    expect(grantFor(drained, new Map([['a', 1]]), engines)).toBeUndefined();
    const left = new Map([['a', 1]]);
    holdBack(drained, left, engines);
    expect(left.get('a')).toBe(1);
  });

  test('fails on a cluster whose jobs are none of ours, where it would wait for a result that never comes', () => {
    const grant = {slots: {}, short: 'cluster outside is external: no job of a chain can run there'};
    expect(grantFor(on('outside', 'outside'), new Map([['outside', 9]]), engines)).toEqual(grant);
    const handedOver = {...on('a', 'a'), ewms: entry({workflow_id: 'w', requested_at: 1, ewms_address: 'e'})} as unknown as ScanRecord;
    expect(grantFor(handedOver, new Map([['a', 1]]), engines)).toEqual({slots: {a: 1}});
  });

  test('grows out of an admission that an operator put without slots', () => {
    const admitted = {...on('a', 'a'), admission: entry({attempt: 1, slots: {}, admitted_at: ''})};
    expect(growthFor(admitted, new Map([['a', 1]]))).toEqual({a: 1});
    const refused = {...admitted, admission: entry({attempt: 1, slots: {}, admitted_at: '', short: 'no cluster is called a'})};
    expect(growthFor(refused, new Map([['a', 1]]))).toBeUndefined();
  });
});
