import {describe, expect, test} from 'vitest';
import {withReceiver} from '../../src/model/eb-change.ts';
import {blockIdPrefix, firstFreeId} from '../../src/model/block-numbers.ts';
import {findCircle} from '../../src/model/find-circle.ts';
import {changePbState} from '../../src/model/pb-state-change.ts';
import {parseExecutionBlock} from '../../src/schema/execution-block.ts';

const NOW = Date.parse('2026-01-01T23:59:59.999Z');

describe('a free id', () => {
  test('has the date in UTC and the first free number, holes included', () => {
    const taken = new Set(['pb-x-20260101-00000', 'pb-x-20260101-00002']);
    expect(firstFreeId(blockIdPrefix('pb', 'x', NOW), (id) => taken.has(id))).toBe('pb-x-20260101-00001');
    expect(firstFreeId(blockIdPrefix('eb', 'x', NOW), () => false)).toBe('eb-x-20260101-00000');
  });

  test('is none that is taken when all are', () => {
    expect(firstFreeId('pb-', (id) => id !== 'pb-99999')).toBe('pb-99999');
    expect(() => firstFreeId('pb-', () => true)).toThrow('all 100000 ids that begin with pb- are taken');
  });
});

describe('a circle of dependencies', () => {
  const among = (graph: Readonly<Record<string, readonly string[]>>, ...ids: readonly string[]): string[] | undefined =>
    findCircle(ids, (id) => (graph[id] ?? []).map((pb_id) => ({pb_id, kind: []})));

  test.each<[string, Readonly<Record<string, readonly string[]>>, string[] | undefined]>([
    ['nothing', {a: []}, undefined],
    ['a chain', {a: ['b'], b: ['c']}, undefined],
    ['two ways to one block', {a: ['b', 'c'], b: ['d'], c: ['d']}, undefined],
    ['itself', {a: ['a']}, ['a', 'a']],
    ['two', {a: ['b'], b: ['a']}, ['a', 'b', 'a']],
    ['one that is only reached', {a: ['b'], b: ['c'], c: ['d'], d: ['b']}, ['b', 'c', 'd', 'b']],
  ])('%s', (_, graph, expected) => {
    expect(among(graph, 'a')).toEqual(expected);
  });

  test('is looked for along a chain of a hundred thousand without running out of stack', () => {
    expect(findCircle(['0'], (id) => (Number(id) < 100_000 ? [{pb_id: String(Number(id) + 1), kind: []}] : []))).toBeUndefined();
  });
});

describe('the state of a processing block', () => {
  const change = (before: object | undefined, members: object, more: object = {}) =>
    changePbState(before as never, {replace: false, members: members as never, by: 'owner', ...more}, NOW);

  test('says when it was written, whatever the writer said', () => {
    expect(change({status: 'WAITING', last_updated: 1}, {status: 'RUNNING', last_updated: 2})).toEqual({
      kind: 'write',
      state: {status: 'RUNNING', last_updated: '2026-01-01 23:59:59'},
    });
  });

  test('is the same when nothing but the time would differ', () => {
    expect(change({status: 'FAILED', reason: 'r', last_updated: 1}, {status: 'FAILED', reason: 'r', last_updated: 2})).toEqual({kind: 'same'});
  });

  test('keeps what is the controller’s when it is replaced', () => {
    const before = {status: 'WAITING', resources_available: true, x: 1};
    expect(change(before, {status: 'RUNNING', resources_available: true}, {replace: true})).toMatchObject({
      state: {status: 'RUNNING', resources_available: true},
    });
    expect(change(before, {status: 'RUNNING', resources_available: false}, {replace: true})).toMatchObject({kind: 'refused', why: 'forbidden'});
  });
});

test('receive addresses name their block in the execution block; those of another are not taken back with ours', () => {
  const block = parseExecutionBlock('{"eb_id": "e"}', '/eb/e');
  const known = withReceiver(block, 'p', [{scan_type_id: 'a'}], NOW);
  expect(known.pb_receive_addresses).toBe('p');
  expect(withReceiver(known, 'p', {a: {}}, NOW)).toBe(known);
  expect(withReceiver(known, 'q', null, NOW)).toBe(known);
  expect(withReceiver(known, 'q', [{scan_type_id: 'a'}], NOW).pb_receive_addresses).toBe('q');
  for (const nothing of [null, undefined, [], {}]) expect(withReceiver(known, 'p', nothing, NOW).pb_receive_addresses).toBeNull();
});
