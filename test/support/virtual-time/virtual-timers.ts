import type {Task} from './task-heap.ts';
import type {VirtualTime} from './virtual-time.ts';

type Callback = (...args: never[]) => void;

/** What `setTimeout` and its kin give, and `clearTimeout` takes. */
export class VirtualTimer {
  readonly #again: (timer: VirtualTimer) => void;
  task: Task | undefined;

  constructor(again: (timer: VirtualTimer) => void) {
    this.#again = again;
    again(this);
  }

  cancel(): void {
    if (this.task !== undefined) this.task.isCancelled = true;
  }

  close(): this {
    this.cancel();
    return this;
  }

  refresh(): this {
    this.cancel();
    this.#again(this);
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** Timers on virtual time, with the names and the manners of Node's. Each belongs to the process in whose name it was set. */
export function virtualTimers(time: VirtualTime) {
  const at = (ms: number, fire: () => void): VirtualTimer =>
    new VirtualTimer((timer) => {
      timer.task = time.after(ms, fire, time.process);
    });
  /** As Node: at least 1, and too much is 1 too. */
  const delayOf = (ms: unknown): number => {
    const delay = Number(ms);
    return delay >= 1 && delay <= 2 ** 31 - 1 ? Math.trunc(delay) : 1;
  };
  const setTimeout = (fn: Callback, ms?: number, ...args: never[]): VirtualTimer => at(delayOf(ms), () => fn(...args));
  const setImmediate = (fn: Callback, ...args: never[]): VirtualTimer => at(0, () => fn(...args));
  const setInterval = (fn: Callback, ms?: number, ...args: never[]): VirtualTimer => {
    const process = time.process;
    return new VirtualTimer((timer) => {
      const next = (): void => {
        timer.task = time.after(
          delayOf(ms),
          () => {
            next();
            fn(...args);
          },
          process,
        );
      };
      next();
    });
  };

  /** As those of `node:timers/promises`. */
  const promised =
    (start: (fn: () => void, ms: number) => VirtualTimer) =>
    <T>(ms: number, value?: T, {signal}: {readonly signal?: AbortSignal} = {}): Promise<T | undefined> =>
      new Promise((resolve, reject) => {
        const fail = (): void =>
          reject(Object.assign(new Error('The operation was aborted'), {name: 'AbortError', code: 'ABORT_ERR', cause: signal?.reason as unknown}));
        if (signal?.aborted) return fail();
        const abort = (): void => {
          timer.cancel();
          fail();
        };
        const timer = start(() => {
          signal?.removeEventListener('abort', abort);
          resolve(value);
        }, ms);
        signal?.addEventListener('abort', abort, {once: true});
      });
  const delay = promised((fn, ms) => setTimeout(fn, ms));
  const turn = promised((fn) => setImmediate(fn));

  return {
    ...{setTimeout, setInterval, setImmediate},
    promises: {setTimeout: delay, setImmediate: <T>(value?: T, options?: {readonly signal?: AbortSignal}) => turn(0, value, options)},
  };
}
