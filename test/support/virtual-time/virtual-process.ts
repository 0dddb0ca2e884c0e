import type {Task} from './task-heap.ts';
import type {Enter, VirtualTime} from './virtual-time.ts';

/**
 * A process of the simulation: all that was begun in its name, and nothing else.
 *
 * States: `running`; `paused` (SIGSTOP: what is due for it waits until it is resumed); `killed` (SIGKILL: nothing of it happens ever again, no line of
 * its code runs, whatever it waits for never comes).
 */
export class VirtualProcess {
  readonly name: string;
  state: 'running' | 'paused' | 'killed' = 'running';
  readonly #time: VirtualTime;
  readonly #enter: Enter;
  readonly #onKill: (() => void)[] = [];
  #held: Task[] = [];

  constructor(name: string, time: VirtualTime) {
    this.name = name;
    this.#time = time;
    this.#enter = time.enter(this);
  }

  /** Runs `fn`, and all that comes of it, in the name of this process. */
  run<T>(fn: () => T): T {
    return this.#enter(fn);
  }

  /** To be called from outside of it. */
  kill(): void {
    if (this.state === 'killed') return;
    this.state = 'killed';
    this.#held = [];
    for (const tell of this.#onKill.splice(0)) tell();
  }

  pause(): void {
    if (this.state === 'running') this.state = 'paused';
  }

  /** What was due meanwhile comes now, in its order. */
  resume(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    for (const task of this.#held.splice(0)) this.#time.again(task);
  }

  /** Calls back when it is killed: for what the system does then, such as closing its connections. */
  onKill(tell: () => void): void {
    this.#onKill.push(tell);
  }

  /** @internal Keeps a task that came due while it is paused. */
  hold(task: Task): void {
    this.#held.push(task);
  }
}
