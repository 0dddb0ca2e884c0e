import crypto from 'node:crypto';
import {syncBuiltinESMExports} from 'node:module';
import os from 'node:os';
import timersPromises from 'node:timers/promises';
import zlib from 'node:zlib';
import type {VirtualTime} from './virtual-time.ts';
import {VirtualTimer, virtualTimers} from './virtual-timers.ts';

let isInstalled = false;

/**
 * Puts virtual time and seeded chance in the place of what Node gives to every program: timers (also `node:timers/promises`), `Date`, `performance`,
 * `AbortSignal.timeout`, `Math.random`, `node:crypto`'s random bytes and UUIDs, zlib's Zstandard in one piece (its threads are outside of virtual time),
 * and who we are (pid, host name, arguments), so that what is written is the same everywhere. So the code under test runs as it is.
 *
 * vitest's fake timers would not do: they know nothing of `node:timers/promises` and of processes that die, and take a real millisecond for each timer.
 *
 * @returns what puts everything back
 */
export function installVirtualHost(time: VirtualTime, random: () => number): () => void {
  if (isInstalled) throw new Error('one simulation at a time');
  isInstalled = true;
  const timers = virtualTimers(time);
  const undo: (() => void)[] = [];
  const replace = (on: object, name: string, value: unknown): void => {
    const before = Object.getOwnPropertyDescriptor(on, name);
    Object.defineProperty(on, name, {value, configurable: true, writable: true, enumerable: before?.enumerable ?? true});
    undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, before);
    });
  };

  for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) replace(globalThis, name, timers[name]);
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate'] as const) {
    const real = globalThis[name] as (timer: unknown) => void;
    replace(globalThis, name, (timer: unknown) => (timer instanceof VirtualTimer ? timer.cancel() : real(timer)));
  }
  replace(globalThis, 'Date', virtualDate(time));
  replace(performance, 'now', () => time.nowMs);
  replace(performance, 'timeOrigin', time.epochMs);
  replace(AbortSignal, 'timeout', (ms: number) => {
    const controller = new AbortController();
    timers.setTimeout(() => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')), ms);
    return controller.signal;
  });
  replace(AbortSignal, 'any', anyOf);
  replace(Math, 'random', random);
  const bytes = (size: number): Buffer => Buffer.from(Array.from({length: size}, () => Math.floor(random() * 256)));
  replace(crypto, 'randomBytes', bytes);
  replace(crypto, 'randomUUID', () => uuidOf(bytes(16)));
  for (const [name, now] of [
    ['zstdCompress', zlib.zstdCompressSync],
    ['zstdDecompress', zlib.zstdDecompressSync],
  ] as const) {
    replace(zlib, name, (content: Buffer, options: object, done: (err: Error | null, result?: Buffer) => void) => {
      timers.setImmediate(() => {
        let result: Buffer;
        try {
          result = now(content, options);
        } catch (err) {
          return done(err as Error);
        }
        done(null, result);
      });
    });
  }
  replace(process, 'pid', 4242);
  replace(process, 'argv', ['node', 'simulated']);
  replace(os, 'hostname', () => 'simulated');
  replace(timersPromises, 'setTimeout', timers.promises.setTimeout);
  replace(timersPromises, 'setImmediate', timers.promises.setImmediate);
  syncBuiltinESMExports();

  return () => {
    for (const back of undo.reverse()) back();
    syncBuiltinESMExports();
    isInstalled = false;
  };
}

function virtualDate(time: VirtualTime): DateConstructor {
  const RealDate = Date;
  const now = (): number => Math.floor(time.epochMs + time.nowMs);
  return class VirtualDate extends RealDate {
    constructor(...args: unknown[]) {
      // The arguments are as they were given.
      if (args.length === 0) super(now());
      else super(...(args as [number]));
    }

    static override now(): number {
      return now();
    }
  } as unknown as DateConstructor;
}

/** A uuid4 of 16 bytes. */
function uuidOf(bytes: Buffer): string {
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** `AbortSignal.any` without Node's list of those that still have listeners: it would keep every killed process for ever, since nothing aborts its signals. */
function anyOf(signals: Iterable<AbortSignal>): AbortSignal {
  const any = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) any.abort(signal.reason);
    else signal.addEventListener('abort', () => any.abort(signal.reason), {once: true});
  }
  return any.signal;
}
