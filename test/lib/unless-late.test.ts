import {expect, test} from 'vitest';
import {unlessLate} from '../../src/lib/unless-late.ts';

const never = new Promise<never>(() => {});
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

test('what comes in time is what counts, well or badly', async () => {
  const before = timers();
  await expect(unlessLate(Promise.resolve(1), 60_000, () => 2)).resolves.toBe(1);
  await expect(unlessLate(Promise.reject(new Error('broken')), 60_000, () => 2)).rejects.toThrow('broken');
  // Nothing is left that would keep a process alive.
  expect(timers()).toBe(before);
});

test('what takes too long is answered for, with a value or an error', async () => {
  await expect(unlessLate(never, 1, () => 2)).resolves.toBe(2);
  const late = (): never => {
    throw new Error('too late');
  };
  await expect(unlessLate(never, 1, late)).rejects.toThrow('too late');
});

test('work that fails after its time harms nobody', async () => {
  const work = Promise.withResolvers<number>();
  await expect(unlessLate(work.promise, 1, () => 2)).resolves.toBe(2);
  work.reject(new Error('nobody asks any more')); // Unhandled, it would fail this run.
  await new Promise((resolve) => setImmediate(resolve));
});
