import {expect, test} from 'vitest';
import {ByteBudget} from '../../src/lib/byte-budget.ts';

const never = new AbortController().signal;

/** Whether a promise has resolved by the next turn. */
async function isDone(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => {},
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

test('who finds no room waits until there is, in order of arrival', async () => {
  const budget = new ByteBudget(10);
  const releaseFirst = await budget.take(6, never);
  const second = budget.take(6, never);
  const third = budget.take(1, never);
  expect(await isDone(third)).toBe(false); // It would fit, but is not first.
  releaseFirst();
  const releases = await Promise.all([second, third]);
  expect(budget.held).toBe(7);
  releaseFirst(); // Again, without harm.
  expect(budget.held).toBe(7);
  for (const release of releases) release();
  expect(budget.held).toBe(0);
});

test('more than all of it is granted alone', async () => {
  const budget = new ByteBudget(10);
  const release = await budget.take(5, never);
  const large = budget.take(50, never);
  expect(await isDone(large)).toBe(false);
  release();
  const releaseLarge = await large;
  const next = budget.take(1, never);
  expect(await isDone(next)).toBe(false);
  releaseLarge();
  (await next)();
});

test('who gives up is forgotten, and lets those behind pass', async () => {
  const budget = new ByteBudget(10);
  const release = await budget.take(8, never);
  const impatient = new AbortController();
  const large = budget.take(5, impatient.signal);
  const small = budget.take(2, never);
  expect(await isDone(small)).toBe(false);
  impatient.abort(new Error('gone'));
  await expect(large).rejects.toThrow('gone');
  (await small)();
  release();
  expect(budget.held).toBe(0);
  await expect(budget.take(1, impatient.signal)).rejects.toThrow('gone');
});
