import {randomUUID} from 'node:crypto';
import {setTimeout as delay} from 'node:timers/promises';
import {expect, test} from 'vitest';
import {sleep} from '../../src/lib/sleep.ts';
import {inVirtualTime} from '../support/virtual-time/in-virtual-time.ts';

test('all clocks and timers of Node run on virtual time, and are what they were afterwards', async () => {
  const hosts = (): unknown[] => [setTimeout, Date, Object.getOwnPropertyDescriptor(performance, 'now'), Math.random, process.pid];
  const before = hosts();
  await inVirtualTime(1, async (time) => {
    const order: string[] = [];
    const startedAt = Date.now();
    setTimeout(() => order.push('timer'), 5000);
    setImmediate(() => order.push('immediate'));
    const interval = setInterval(() => order.push('interval'), 2000);
    clearTimeout(setTimeout(() => order.push('never'), 10));
    const aborted = sleep(60_000, AbortSignal.timeout(3000)).then(() => order.push('aborted'));
    await delay(5500);
    clearInterval(interval);
    await aborted;
    expect(order).toEqual(['immediate', 'interval', 'aborted', 'interval', 'timer']);
    expect(Date.now() - startedAt).toBe(5500);
    expect(performance.now()).toBe(5500);
    expect(time.nowMs).toBe(5500);
    expect(new Date().toISOString()).toBe('2026-01-01T00:00:05.500Z');
    expect(new Date(0).toISOString()).toBe('1970-01-01T00:00:00.000Z');
  });
  expect(hosts()).toEqual(before);
});

test('chance is the seed’s', async () => {
  const draw = (seed: number): Promise<readonly unknown[]> => inVirtualTime(seed, () => Promise.resolve([Math.random(), randomUUID()]));
  expect(await draw(1)).toEqual(await draw(1));
  expect(await draw(1)).not.toEqual(await draw(2));
  expect((await draw(1))[1]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('nothing of a process happens after it was killed; what a paused one missed happens in its order when it goes on', async () => {
  await inVirtualTime(1, async (time) => {
    const said: string[] = [];
    const chatter = async (name: string): Promise<void> => {
      for (let i = 1; i <= 3; i += 1) {
        await sleep(100);
        said.push(`${name}${i}`);
      }
    };
    const [a, b] = [time.spawn('a'), time.spawn('b')];
    void a.run(() => chatter('a'));
    void b.run(() => chatter('b'));
    const late = b.run(() => sleep(50).then(() => said.push('b')));
    b.pause();
    await sleep(150);
    expect(said).toEqual(['a1']);
    a.kill();
    await sleep(1000);
    expect(said).toEqual(['a1']);
    b.resume();
    await late;
    await sleep(1000);
    expect(said).toEqual(['a1', 'b', 'b1', 'b2', 'b3']);
  });
});

test('whoever waits for what never comes is told', async () => {
  await expect(inVirtualTime(1, () => new Promise(() => {}))).rejects.toThrow('nothing is left to happen');
});

test('an endless loop is told', async () => {
  const spin = (): void => void setImmediate(spin);
  await expect(inVirtualTime(1, () => new Promise(() => spin()))).rejects.toThrow('time stands still');
});
