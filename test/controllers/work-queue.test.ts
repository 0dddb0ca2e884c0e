import {expect, test} from 'vitest';
import {WorkQueue} from '../../src/controllers/work-queue.ts';

test('an id is worked on once however often it was added, and once more when added during its work', async () => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  const worked: string[] = [];
  for (let i = 0; i < 5; i++) queue.add('a');
  await queue.forEach(4, stop.signal, async (id) => {
    worked.push(id);
    if (worked.length === 1) {
      queue.add('a');
      queue.add('a');
      await Promise.resolve();
    } else stop.abort();
  });
  expect(worked).toEqual(['a', 'a']);
});

test('never works on one id twice at a time, and on at most so many at once', async () => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  const active = new Set<string>();
  let most = 0;
  let done = 0;
  for (let i = 0; i < 50; i++) queue.add(`id-${i % 10}-${i}`);
  await queue.forEach(8, stop.signal, async (id) => {
    expect(active.has(id)).toBe(false);
    active.add(id);
    most = Math.max(most, active.size);
    await new Promise(setImmediate);
    active.delete(id);
    if (++done === 50) stop.abort();
  });
  expect(done).toBe(50);
  expect(most).toBe(8);
});

test('of several delays the earliest counts, and an abort drops the others', async () => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  queue.addAfter('a', 60_000);
  queue.addAfter('a', 1);
  queue.addAfter('b', 60_000);
  const worked: string[] = [];
  await queue.forEach(1, stop.signal, async (id) => {
    worked.push(id);
    stop.abort();
    await Promise.resolve();
  });
  expect(worked).toEqual(['a']);
});

test('work begins after what adds an id, never within it', async () => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  const order: string[] = [];
  const over = queue.forEach(1, stop.signal, async (id) => {
    order.push(id);
    stop.abort();
    await Promise.resolve();
  });
  await Promise.resolve();
  queue.add('worked on');
  order.push('added');
  await over;
  expect(order).toEqual(['added', 'worked on']);
});

test('an abort lets what is in work end, and begins nothing else', async () => {
  const queue = new WorkQueue();
  const stop = new AbortController();
  const ended: string[] = [];
  queue.add('a');
  queue.add('b');
  await queue.forEach(1, stop.signal, async (id) => {
    stop.abort();
    await new Promise(setImmediate);
    ended.push(id);
    queue.add('c');
  });
  expect(ended).toEqual(['a']);
  expect(queue.size).toBe(1); // What was waiting still is.
});
