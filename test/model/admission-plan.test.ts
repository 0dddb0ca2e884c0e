import {expect, test} from 'vitest';
import {grantFor, growthFor, waitsForAdmission} from '../../src/model/admission-plan.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import {aScan, aSpec, entry} from '../support/builders.ts';

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
