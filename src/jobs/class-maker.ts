import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {JobToMake, MadeJob} from '../specs/job-maker.ts';
import {MakerChild} from './maker-child.ts';

export interface ClassMakerOptions {
  /** The module of job classes: an absolute path. */
  readonly module: string;
  /** All of its process' environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What loading the module, and the creation of one job, may take. */
  readonly limitMs?: number;
  readonly log: Log;
}

const LIMIT_MS = 10_000;
/** Creations that may be under way at once: one that blocks fails those that are. */
const WIDTH = 16;
/** After a process could not load its module, none is started for so long. */
const BROKEN_PAUSE_MS = 2000;

/**
 * Creates jobs of classes in a process of its own, which is started with the first one and again after each end. No code of users runs in ours.
 *
 * Modes: none (no process; the next call starts one), up (calls go to `#child`), closed (for good).
 */
export class ClassMaker {
  readonly #options: ClassMakerOptions;
  #child: MakerChild | undefined;
  #broken: {readonly err: unknown; readonly untilMs: number} | undefined;
  #isClosed = false;
  #free = WIDTH;
  readonly #waiting: (() => void)[] = [];

  constructor(options: ClassMakerOptions) {
    this.#options = options;
  }

  /** Loads the module, to know early whether it can be. @throws ControlPlaneError `unavailable`, with the reason */
  async load(): Promise<void> {
    await this.#process().ready;
  }

  /** @throws ControlPlaneError `invalid`: refused, or a type that the module does not know. `unavailable`: not now. */
  async make(job: JobToMake): Promise<Required<Omit<MadeJob, 'runs'>>> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      const answer = await this.#process().make(job);
      if (answer.kind === 'made') return {args: answer.args, bytes: answer.bytes};
      throw new ControlPlaneError(
        'invalid',
        answer.isUnknownType ? `unknown job type ${job.type}` : `job ${job.name} (type ${job.type}): ${answer.reason}`,
      );
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Ends the process. What is under way fails as `unavailable`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#child?.kill('this process is ending');
    await this.#child?.ended;
  }

  #process(): MakerChild {
    if (this.#isClosed) throw new ControlPlaneError('unavailable', 'jobs cannot be made now: this process is ending');
    if (this.#broken !== undefined && performance.now() < this.#broken.untilMs) throw this.#broken.err;
    if (this.#child !== undefined) return this.#child;
    const {module, env, limitMs = LIMIT_MS, log} = this.#options;
    const child = new MakerChild(module, env, limitMs);
    this.#child = child;
    this.#broken = undefined;
    child.ready.catch((err: unknown) => (this.#broken = {err, untilMs: performance.now() + BROKEN_PAUSE_MS}));
    void child.ended.then((reason) => {
      if (this.#child === child) this.#child = undefined;
      if (!this.#isClosed) log.warn({reason, stderr: child.stderr}, 'the process that makes jobs ended');
    });
    return child;
  }
}
