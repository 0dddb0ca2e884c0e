import {expect, test} from 'vitest';
import {DependencyCircles} from '../../src/model/dependency-circles.ts';
import {seededRandom} from '../support/seeded-random.ts';

type Graph = Map<string, readonly string[]>;

function circlesOf(graph: Graph, onLook: () => void = () => {}): DependencyCircles {
  return new DependencyCircles({
    dependenciesOf: (id) => {
      onLook();
      return graph.get(id) ?? [];
    },
    hasDependents: (id) => [...graph.values()].some((names) => names.includes(id)),
  });
}

test('a block on a circle hears which, one that only leads to it does not', () => {
  const graph: Graph = new Map([
    ['a', ['x', 'b']],
    ['b', ['c']],
    ['c', ['a']],
    ['d', ['a']],
    ['e', ['d']],
  ]);
  const circles = circlesOf(graph);
  expect(circles.circleOf('a')).toEqual(['a', 'b', 'c', 'a']);
  expect(circles.circleOf('c')).toEqual(['c', 'a', 'b', 'c']);
  expect(circles.circleOf('d')).toBeUndefined();
});

test('a circle is found by the block that closes it, whatever was looked at before', () => {
  const random = seededRandom(7);
  const pick = (below: number): number => Math.floor(random() * below);
  for (let round = 0; round < 300; round++) {
    const graph: Graph = new Map();
    const circles = circlesOf(graph);
    const names = Array.from({length: 7}, (_each, n) => `b${n}`);
    for (const name of names.toSorted(() => random() - 0.5)) {
      graph.set(
        name,
        names.filter(() => pick(5) === 0),
      );
      circles.changed(name);
      for (const each of [...graph.keys()].filter(() => pick(2) === 0)) expect(circles.circleOf(each) !== undefined).toBe(isOnCircle(graph, each));
      expect(circles.circleOf(name) !== undefined).toBe(isOnCircle(graph, name));
    }
  }
});

function isOnCircle(graph: Graph, start: string): boolean {
  const reached = new Set<string>();
  const open = [...(graph.get(start) ?? [])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (reached.has(next)) continue;
    reached.add(next);
    open.push(...(graph.get(next) ?? []));
  }
  return reached.has(start);
}

test('a look at all blocks of a long chain walks it once', () => {
  const length = 2000;
  const graph: Graph = new Map(Array.from({length}, (_each, n) => [`b${n}`, n === 0 ? [] : [`b${n - 1}`]]));
  let looks = 0;
  const circles = new DependencyCircles({
    dependenciesOf: (id) => {
      looks++;
      return graph.get(id) ?? [];
    },
    hasDependents: (id) => id !== `b${length - 1}`,
  });
  for (let n = length - 1; n >= 0; n--) expect(circles.circleOf(`b${n}`)).toBeUndefined();
  expect(looks).toBeLessThan(3 * length);
});
