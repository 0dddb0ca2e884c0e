import {fork} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {ControlPlaneError} from '../lib/errors.ts';
import {answerIn} from './make-request.ts';
import type {MakeAnswer, MakeRequest} from './make-request.ts';
import {JOB_MAKER} from './programs.ts';

/** Characters of what the process printed on standard error that are kept for its end. */
const STDERR_CHARACTERS = 2000;

interface Call {
  readonly resolve: (answer: MakeAnswer & {readonly kind: 'made' | 'refused'}) => void;
  readonly reject: (err: ControlPlaneError) => void;
}

/**
 * One process that makes jobs, from its start to its end. When it ends, whatever the reason, all calls in it are rejected as `unavailable`; a call that
 * takes longer than `limitMs` ends it.
 */
export class MakerChild {
  /** Resolves when the module is loaded. @throws ControlPlaneError `unavailable` */
  readonly ready: Promise<void>;
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #limitMs: number;
  readonly #calls = new Map<number, Call>();
  #lastCall = 0;
  #stderr = '';
  #reason: string | undefined;
  #end: ControlPlaneError | undefined;

  constructor(module: string, env: Readonly<Record<string, string>>, limitMs: number) {
    this.#limitMs = limitMs;
    this.#child = fork(JOB_MAKER.path, [module], {
      cwd: '/',
      env: {...env}, // Not ours: it may hold secrets, and this is the code of users.
      execArgv: [...JOB_MAKER.flags],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const loaded = Promise.withResolvers<void>();
    this.ready = loaded.promise;
    this.ready.catch(() => undefined); // Whoever calls hears of it.
    const loading = this.#limit('it was not loaded');
    this.#child.on('message', (message) => {
      const answer = answerIn(message);
      if (answer === undefined) return;
      if (answer.kind === 'ready') {
        clearTimeout(loading);
        loaded.resolve();
      } else if (answer.kind === 'broken') this.#reason = answer.reason;
      else this.#calls.get(answer.call)?.resolve(answer);
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr = (this.#stderr + chunk.toString()).slice(-STDERR_CHARACTERS)));
    const gone = Promise.withResolvers<string>();
    this.ended = gone.promise;
    const end = (how: string): void => {
      clearTimeout(loading);
      const reason = this.#reason ?? `it ended by itself: ${how}`;
      const err = new ControlPlaneError('unavailable', `jobs cannot be made now: ${reason}`);
      this.#end = err;
      loaded.reject(err);
      for (const call of this.#calls.values()) call.reject(err);
      gone.resolve(reason);
    };
    this.#child.on('error', (err) => {
      if (this.#child.pid === undefined) end(err.message);
    });
    this.#child.once('exit', (code, signal) => end(signal ?? `code ${code}`));
  }

  /** The end of what it has printed on standard error. */
  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** @throws ControlPlaneError `unavailable` */
  async make(request: Omit<MakeRequest, 'call'>): Promise<MakeAnswer & {readonly kind: 'made' | 'refused'}> {
    await this.ready;
    if (this.#end !== undefined) throw this.#end;
    const call = ++this.#lastCall;
    const answered = Promise.withResolvers<MakeAnswer & {readonly kind: 'made' | 'refused'}>();
    this.#calls.set(call, answered);
    const timer = this.#limit(`the creation of a job of type ${request.type} did not end`);
    try {
      // A process that has ended meanwhile says so by its exit.
      this.#child.send({...request, call} satisfies MakeRequest, () => undefined);
      return await answered.promise;
    } finally {
      clearTimeout(timer);
      this.#calls.delete(call);
    }
  }

  /** Ends it at once: it has nothing to lose. */
  kill(reason: string): void {
    this.#reason ??= reason;
    this.#child.kill('SIGKILL');
  }

  #limit(what: string): NodeJS.Timeout {
    return setTimeout(() => this.kill(`${what} within ${this.#limitMs / 1000} s`), this.#limitMs);
  }
}
