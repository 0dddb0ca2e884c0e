import {describe, expect, test} from 'vitest';
import {firstChoice, rendezvousOrder} from '../../src/model/rendezvous.ts';
import {newScanId, randomHex} from '../../src/schema/ids.ts';

const objects = Array.from({length: 10_000}, (_, i) => newScanId(1_700_000_000_000 + i));

function countsOf(replicas: readonly string[], ids: readonly string[]): number[] {
  const counts = new Map(replicas.map((id) => [id, 0]));
  for (const id of ids) {
    const first = firstChoice(replicas, id) as string;
    counts.set(first, (counts.get(first) as number) + 1);
  }
  return [...counts.values()];
}

describe('rendezvous order', () => {
  test('it holds every replica once and does not depend on the order they are given in', () => {
    const replicas = ['r1', 'r2', 'r3', 'r4'];
    for (const id of objects.slice(0, 200)) {
      const order = rendezvousOrder(replicas, id);
      expect([...order].sort()).toEqual(replicas);
      expect(rendezvousOrder(replicas.toReversed(), id)).toEqual(order);
      expect(firstChoice(replicas.toReversed(), id)).toBe(order[0]);
    }
    expect(rendezvousOrder([], 'x')).toEqual([]);
    expect(firstChoice([], 'x')).toBeUndefined();
  });

  test('objects spread evenly: no replica of three has more than 1.2 times the mean of 10,000', () => {
    const named = ['replica-1', 'replica-2', 'replica-3'];
    const random = Array.from({length: 20}, () => [randomHex(8), randomHex(8), randomHex(8)]);
    const sequential = Array.from({length: 10_000}, (_, i) => `scan-${i}`);
    for (const replicas of [named, ...random]) {
      for (const ids of [objects, sequential]) expect(Math.max(...countsOf(replicas, ids)) / (ids.length / replicas.length)).toBeLessThanOrEqual(1.2);
    }
  });

  test('who comes second is spread evenly as well, so that the objects of a dead replica do not all go to one', () => {
    const replicas = ['a', 'b', 'c', 'd', 'e'];
    const heirs = new Map<string, number>();
    for (const id of objects) {
      const [first, second] = rendezvousOrder(replicas, id) as [string, string];
      if (first === 'a') heirs.set(second, (heirs.get(second) ?? 0) + 1);
    }
    const counts = [...heirs.values()];
    expect(counts).toHaveLength(4);
    expect(Math.max(...counts) / (counts.reduce((sum, n) => sum + n, 0) / 4)).toBeLessThanOrEqual(1.2);
  });

  test('when a replica goes, only its own objects move', () => {
    const before = ['r1', 'r2', 'r3'];
    for (const id of objects) {
      const first = firstChoice(before, id);
      if (first !== 'r2') expect(firstChoice(['r1', 'r3'], id)).toBe(first);
    }
  });

  test('10,000 first choices of three replicas take a few milliseconds', () => {
    const replicas = [randomHex(8), randomHex(8), randomHex(8)];
    const run = (): number => {
      const startedAt = performance.now();
      for (const id of objects) firstChoice(replicas, id);
      return performance.now() - startedAt;
    };
    // The best of some, since the machine may be busy with something else.
    expect(Math.min(...Array.from({length: 10}, run))).toBeLessThan(15);
  });
});
