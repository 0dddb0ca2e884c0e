import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {JobSpec} from '../engine.ts';
import {MARKERS, nameOf} from './run-directory.ts';
import type {LaunchOutcome, LaunchRequest, RunDirectory} from './run-directory.ts';

/** From the start of a supervisor to its word that it launched. */
const LAUNCH_DEADLINE_MS = 30_000;

const SUPERVISOR = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './supervisor.ts' : './supervisor.js', import.meta.url));
/** A supervisor needs no helper threads and a small heap. */
const SUPERVISOR_FLAGS = ['--v8-pool-size=0', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];

/** Starts supervisors, a few at a time. */
export class SupervisorStarter {
  private readonly directory: RunDirectory;
  private readonly baseEnv: Readonly<Record<string, string>>;
  private readonly gate = new Gate(2 * availableParallelism());

  /** `baseEnv`: what every job inherits. */
  constructor(directory: RunDirectory, baseEnv: Readonly<Record<string, string>>) {
    this.directory = directory;
    this.baseEnv = baseEnv;
  }

  /**
   * Starts a job's supervisor and waits for its word. Whatever comes back, the caller looks at the claim: it alone says what happened.
   *
   * @returns the outcome in words.
   */
  launch(job: JobSpec): Promise<string> {
    return this.gate.run(() => this.start(job));
  }

  private async start(job: JobSpec): Promise<string> {
    const name = nameOf(job.ref);
    const errors = openSync(this.directory.file(job.ref, 'supervisor.stderr'), 'a', 0o600);
    let child: ChildProcess;
    try {
      child = spawn(process.execPath, [...SUPERVISOR_FLAGS, SUPERVISOR, name], {
        cwd: '/',
        detached: true,
        stdio: ['pipe', 'pipe', errors],
        // Ours may hold secrets, and options for Node that are none of the supervisor's.
        env: {
          NODE_COMPILE_CACHE: this.directory.cache,
          UV_THREADPOOL_SIZE: '1',
          [MARKERS.supervisor]: name,
          [MARKERS.runDirectory]: this.directory.id,
        },
      });
    } finally {
      closeSync(errors);
    }
    try {
      return await this.converse(child, job);
    } finally {
      child.stdin?.destroy();
      child.stdout?.destroy();
      child.unref();
    }
  }

  private async converse(child: ChildProcess, job: JobSpec): Promise<string> {
    const request: LaunchRequest = {
      root: this.directory.root,
      id: this.directory.id,
      ref: job.ref,
      fence: job.fence,
      clusterId: job.clusterId,
      command: job.command,
      env: [...Object.entries(this.baseEnv), ...job.env],
      count: job.count,
      outputLimitBytes: job.outputLimitBytes,
      stopGraceMs: job.stopGraceMs,
      orphanAfterMs: job.orphanAfterMs,
      ...(job.timeoutMs === undefined ? {} : {timeoutMs: job.timeoutMs}),
      ...(job.document === undefined ? {} : {document: job.document}),
    };
    const answer = Promise.withResolvers<string>();
    child.on('error', (err) => answer.resolve(err.message));
    const {stdin, stdout} = child;
    if (stdin === null || stdout === null) return answer.promise; // never started; 'error' says why
    stdin.on('error', () => undefined); // EPIPE: it ended early; its output or exit says why
    stdin.end(`${JSON.stringify(request)}\n`);
    const lines = createInterface({input: stdout});
    lines.once('line', (line) => {
      const outcome = JSON.parse(line) as LaunchOutcome;
      answer.resolve(outcome.kind === 'failed' ? outcome.reason : outcome.kind);
    });
    lines.once('close', () => answer.resolve('it ended without a word'));
    const timer = setTimeout(() => answer.resolve(`no word within ${LAUNCH_DEADLINE_MS / 1000} s`), LAUNCH_DEADLINE_MS);
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      lines.close();
    }
  }
}

/** Lets so many run at a time. */
class Gate {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(width: number) {
    this.free = width;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.free--;
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
