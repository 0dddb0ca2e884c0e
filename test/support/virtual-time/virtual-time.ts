import {AsyncLocalStorage} from 'node:async_hooks';
import {TaskHeap} from './task-heap.ts';
import type {Task} from './task-heap.ts';
import {VirtualProcess} from './virtual-process.ts';

// Taken before anybody replaces them: see virtual-host.ts.
const realSetImmediate = setImmediate;
const realSetTimeout = setTimeout;

/** How long, in real milliseconds, is waited for something real when nothing virtual is left to happen. */
const REAL_WAIT_MS = 500;
/** So many tasks at one moment are taken for an endless loop. */
const MOST_AT_ONCE = 200_000;

/** Runs a function in somebody's name, and all that comes of it. */
export type Enter = <T>(fn: () => T) => T;

/**
 * Time that passes only when nothing is left to do at the present moment, and then at once.
 *
 * Between two tasks the event loop gets a turn, in which all promises that can be settled are. So a run is a sequence of tasks whose order depends on
 * nothing but their times, as long as nobody waits for anything real (a file, a socket, zlib's threads).
 */
export class VirtualTime {
  /** The wall clock at the beginning, in milliseconds since 1970. */
  readonly epochMs: number;
  /** Tasks run so far. */
  steps = 0;
  readonly #tasks = new TaskHeap();
  readonly #process = new AsyncLocalStorage<VirtualProcess | undefined>();
  /** Runs something in the world's name. */
  readonly #outside: Enter = this.enter(undefined);
  #nowMs = 0;
  #order = 0;
  #stepsAtOnce = 0;

  constructor(epochMs: number = Date.UTC(2026, 0, 1)) {
    this.epochMs = epochMs;
  }

  /** Milliseconds from the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** In whose name the present code runs; `undefined`: the world's. */
  get process(): VirtualProcess | undefined {
    return this.#process.getStore();
  }

  spawn(name: string): VirtualProcess {
    return new VirtualProcess(name, this);
  }

  /** Calls `run` after so many milliseconds, in the name of `process`. */
  after(ms: number, run: () => void, process: VirtualProcess | undefined): Task {
    const task: Task = {dueMs: this.#nowMs + Math.max(0, ms), order: this.#order++, run, process, isCancelled: false};
    this.#tasks.push(task);
    return task;
  }

  /** @internal A task that was held back comes now. */
  again(task: Task): void {
    task.dueMs = this.#nowMs;
    task.order = this.#order++;
    this.#tasks.push(task);
  }

  /** Runs `fn`, and all that comes of it, in the name of `process`. */
  as<T>(process: VirtualProcess | undefined, fn: () => T): T {
    return process === undefined ? this.#outside(fn) : process.run(fn);
  }

  /** @internal What runs something in the name of a process. Made once for each: a context of its own for each task would cost more than most tasks. */
  enter(process: VirtualProcess | undefined): Enter {
    return this.#process.run(process, () => AsyncLocalStorage.snapshot());
  }

  /**
   * Lets time pass until `body` has come to its end, and no further.
   *
   * @throws what `body` throws, and what a task throws (in a real process that would be its end).
   */
  async run<T>(body: () => Promise<T>): Promise<T> {
    let isOver = false;
    const outcome = body().finally(() => {
      isOver = true;
    });
    outcome.catch(() => {}); // Also where a task throws first.
    let idleTurns = 0;
    for (;;) {
      await new Promise<void>((resolve) => realSetImmediate(resolve));
      if (isOver) return outcome;
      if (this.#step()) idleTurns = 0;
      else if (idleTurns++ > REAL_WAIT_MS) throw new Error('nothing is left to happen, and the simulation still waits');
      else await new Promise((resolve) => realSetTimeout(resolve, 1));
    }
  }

  /** Runs what is due next; `false`: nothing is. */
  #step(): boolean {
    for (;;) {
      const task = this.#tasks.pop();
      if (task === undefined) return false;
      const {process} = task;
      // Neither makes time pass: nothing happens then.
      if (task.isCancelled || process?.state === 'killed') continue;
      if (task.dueMs > this.#nowMs) {
        this.#nowMs = task.dueMs;
        this.#stepsAtOnce = 0;
      } else if (this.#stepsAtOnce++ > MOST_AT_ONCE) throw new Error(`time stands still at ${this.#nowMs} ms`);
      if (process?.state === 'paused') {
        process.hold(task);
        continue;
      }
      this.steps += 1;
      this.as(process, task.run);
      return true;
    }
  }
}
