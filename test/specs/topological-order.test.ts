import {expect, test} from 'vitest';
import {onCycles, topologicalOrder} from '../../src/specs/topological-order.ts';
import type {Dependent} from '../../src/specs/topological-order.ts';

function nodes(text: string): Dependent[] {
  return text.split(' ').map((word) => {
    const [name = '', deps = ''] = word.split('<');
    return {name, deps: deps === '' ? [] : deps.split(',')};
  });
}

const names = (list: readonly Dependent[]): string => list.map(({name}) => name).join(' ');

test('each node stands after those that it depends on, and those that become free together as they were given', () => {
  expect(names(topologicalOrder(nodes('d<b,c c<a b<a a e')).ordered)).toBe('a e c b d');
});

test('a dependency that is named twice or does not exist holds nothing up', () => {
  expect(topologicalOrder(nodes('b<a,a,nowhere a'))).toMatchObject({ordered: [{name: 'a'}, {name: 'b'}], stuck: []});
});

test('what is on a cycle is stuck, and what is behind one; the rest is put in order', () => {
  const {ordered, stuck} = topologicalOrder(nodes('a b<a,d c<b d<c e<d f<a'));
  expect(names(ordered)).toBe('a f');
  expect(names(stuck)).toBe('b c d e');
});

test('what only waits for a cycle, or leads to one, is not on it', () => {
  expect(names(onCycles(nodes('a b<a,d c<b d<c e<d self<self')))).toBe('b c d self');
  expect(onCycles(nodes('a b<a c<b'))).toEqual([]);
});

test('a line of 100,000 nodes is put in order', () => {
  const line = Array.from({length: 100_000}, (_, index) => ({name: `n${index}`, deps: index === 99_999 ? [] : [`n${index + 1}`]}));
  const {ordered} = topologicalOrder(line);
  expect(ordered[0]?.name).toBe('n99999');
  expect(ordered.at(-1)?.name).toBe('n0');
});
