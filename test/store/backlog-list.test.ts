import {expect, test} from 'vitest';
import {backlogOrder} from '../../src/schema/backlog.ts';
import {backlogKey} from '../../src/schema/keys.ts';
import {BacklogList} from '../../src/store/backlog-list.ts';
import type {BacklogItem} from '../../src/store/cache.ts';
import {seededRandom} from '../support/seeded-random.ts';

function inEtcdOrder(items: Iterable<BacklogItem>): string[] {
  return [...items].map(({order, id}) => backlogKey(order, id)).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

test('the backlog is in the order of its keys, after any changes, few or many at a time', () => {
  const random = seededRandom(7);
  const list = new BacklogList();
  const present = new Map<string, BacklogItem>();
  for (let round = 0; round < 200; round++) {
    const removed = [...present.values()].filter(() => random() < 0.3).slice(0, random() < 0.5 ? 5 : 1000);
    const added = Array.from({length: Math.floor(random() * (random() < 0.5 ? 5 : 60))}, (_, i) => ({
      // Orders that an operator makes up may have any length.
      order: random() < 0.8 ? backlogOrder(Math.floor(random() * 5), Math.floor(random() * 1e12)) : `o${'-x'.repeat(Math.floor(random() * 4))}`,
      of: 'scan' as const,
      id: `s${round}-${i}`,
    }));
    list.apply(removed, added);
    for (const item of removed) present.delete(item.id);
    for (const item of added) present.set(item.id, item);
    expect([...list].map(({order, id}) => backlogKey(order, id))).toEqual(inEtcdOrder(present.values()));
  }
});

test('10,000 items leave a backlog of 100,000 in one go without a long stall', () => {
  const items = Array.from({length: 100_000}, (_, i) => ({order: backlogOrder(i % 7, i), of: 'scan' as const, id: `s${i}`}));
  const best = Math.min(
    ...Array.from({length: 3}, () => {
      const list = new BacklogList();
      list.apply([], items);
      const startedAt = performance.now();
      list.apply(
        items.filter((_, i) => i % 10 === 0),
        [],
      );
      expect(list.size).toBe(90_000);
      return performance.now() - startedAt;
    }),
  );
  expect(best).toBeLessThan(200);
});
