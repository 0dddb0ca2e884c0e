import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync} from 'node:fs';
import {flushCompileCache} from 'node:module';
import {setTimeout as delay} from 'node:timers/promises';
import type {JobExit} from '../../schema/job.ts';
import {KeptOutput} from './kept-output.ts';
import {endMembers, findMembers, identify, signalGroup, signalProcess} from './processes.ts';
import type {MemberQuery, ProcessIdentity} from './processes.ts';
import {MARKERS, OWN_FILES, RunDirectory, compareFences, nameOf} from './run-directory.ts';
import type {LaunchOutcome, LaunchRequest, OwnFile, ProcessExit} from './run-directory.ts';

/**
 * A process of its own beside each running job, started by the process engine and outliving it: launches the job at most once, keeps its output,
 * ends it when it is told to or when no controller cares any more, records how it ended.
 *
 * Imports only `node:` and the two or three small files beside it: hundreds of these are started on small machines. All file access is
 * synchronous for the same reason (no thread pool). Nothing of the request's environment may reach a file, a command line or an error text.
 */

/** How often a job that was told to end is looked at. */
const END_POLL_MS = 100;
/** A timer of Node's that is to wait for longer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** How long the pipes may stay open after everything that could write to them is gone. */
const PIPE_DRAIN_MS = 2000;
/** How long to go on trying to write down how the job ended (a full disk, say). */
const RECORD_ATTEMPTS = 60;

/**
 * Modes: `running` (nobody wants it to end); `ending` (SIGTERM was sent, `reason` says why; after the grace SIGKILL); `finishing` (every process that
 * we started has ended; what those left behind is killed, then the exit is recorded).
 */
class Supervisor {
  private readonly request: LaunchRequest;
  private readonly directory: RunDirectory;
  private readonly self: ProcessIdentity;
  private readonly leaders: Leader[] = [];
  private readonly exits: ProcessExit[] = [];
  /** Process groups that may still have members. */
  private readonly groups = new Set<number>();
  private hasBegun = false;
  private endReason: string | undefined;
  private graceIsOver = false;
  private finishing = false;

  constructor(request: LaunchRequest, self: ProcessIdentity) {
    this.request = request;
    this.directory = new RunDirectory(request.root, request.id);
    this.self = self;
  }

  run(): void {
    // Before the claim, which tells others where to send it: from then on SIGTERM means "look for the stop mark".
    process.on('SIGTERM', () => this.end(this.isStopAsked() ? 'stopped' : 'its supervisor was told to end'));
    // A terminal's signals are for the controller. (We have a session of our own; this is for whoever signals us by hand.)
    for (const signal of ['SIGINT', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => undefined);
    const {ref, fence, clusterId} = this.request;
    const at = new Date().toISOString();
    if (this.isStopAsked()) {
      this.directory.decide(ref, {kind: 'closed', fence, at});
      this.directory.hint(ref);
      return this.leave({kind: 'taken'});
    }
    writeFileSync(this.directory.file(ref, 'renewed'), '', {flag: 'a', mode: 0o600});
    if (!this.directory.decide(ref, {kind: 'launch', fence, at, cluster_id: clusterId, supervisor: this.self})) return this.leave({kind: 'taken'});

    // Now the name is ours, and whoever stops or forgets it sees our claim; what they did before, we see here.
    const forgotten = this.directory.forgottenFence(ref.scanId);
    const isForgotten = this.directory.isBeingForgotten(ref.scanId) || (forgotten !== undefined && compareFences(fence, forgotten) <= 0);
    if (isForgotten || this.isStopAsked()) {
      const reason = isForgotten ? 'its scan was forgotten before it began' : 'stopped before it began';
      this.directory.recordExit(ref, {began: false, exit: {code: null, reason, ended_at: new Date().toISOString()}, processes: []});
      return this.leave({kind: 'taken'});
    }
    this.startProcesses();
    this.watchDuration();
    say({kind: 'launched'});
    this.directory.hint(ref);
    // Node would write it when we end, which is long after the launches that could use it.
    flushCompileCache();
    this.watchRenewals();
    this.finishIfAllEnded();
  }

  private leave(outcome: LaunchOutcome): void {
    say(outcome);
    process.exit(0);
  }

  private isStopAsked(): boolean {
    return this.directory.isAskedToStop(this.request.ref);
  }

  private startProcesses(): void {
    const {ref, count, document} = this.request;
    this.hasBegun = true;
    try {
      if (document !== undefined) this.directory.writeDocument(ref, document);
    } catch (err) {
      const reason = `cannot write its document: ${(err as NodeJS.ErrnoException).code ?? 'unknown error'}`;
      this.exits.push({index: 0, code: 126, error: reason, ended_at: new Date().toISOString()});
      this.end(reason);
    }
    for (let index = 0; index < count && this.endReason === undefined; index++) this.startProcess(index);
    try {
      this.directory.recordRunning(ref, {processes: this.leaders.map((leader) => leader.identity)});
    } catch {
      // It only speeds up the search for leftovers, which also finds them by their environment.
    }
  }

  private startProcess(index: number): void {
    const {ref, command, env, id, outputLimitBytes} = this.request;
    const cwd = this.directory.shared(ref.scanId);
    let child: ChildProcess;
    let document: number | undefined;
    try {
      // The file itself: no pipe that somebody would have to fill. Each process has its own place in it.
      document = this.request.document === undefined ? undefined : openSync(this.directory.own(ref, 'document'), 'r');
      child = spawn(command[0] as string, command.slice(1), {
        cwd,
        // Its own session and process group: all of it can be signalled at once, and no terminal reaches it.
        detached: true,
        stdio: [document ?? 'ignore', 'pipe', 'pipe'],
        env: {
          ...Object.fromEntries(env),
          [MARKERS.job]: nameOf(ref),
          [MARKERS.runDirectory]: id,
          SCANPLANE_JOB_DIRECTORY: cwd,
          SCANPLANE_PROCESS_INDEX: String(index),
          ...this.ownFiles(index),
        },
      });
    } catch (err) {
      this.cannotStart(index, err as NodeJS.ErrnoException);
      return;
    } finally {
      if (document !== undefined) closeSync(document);
    }
    child.on('error', (err) => {
      if (child.pid === undefined) this.cannotStart(index, err);
    });
    if (child.pid === undefined) return; // the 'error' event says why
    // Not collected before the event loop turns, so even one that has ended already is still in the process table.
    const identity = identify(child.pid) ?? {...this.self, pid: child.pid};
    const outputs = (['stdout', 'stderr'] as const).map((stream) => {
      const kept = new KeptOutput(this.directory.output(ref, index, stream), outputLimitBytes);
      child[stream]?.on('data', (chunk: Buffer) => kept.write(chunk));
      return kept;
    });
    const leader: Leader = {identity, child, closed: new Promise((resolve) => child.once('close', () => resolve()))};
    this.leaders.push(leader);
    this.groups.add(child.pid);
    void leader.closed.then(() => outputs.forEach((kept) => kept.end()));
    child.once('exit', (code, signal) => this.onExit(index, identity.pid, code, signal));
  }

  /** Where a process finds the document. The first one is told too where to speak: of several voices none would be the job's. */
  private ownFiles(index: number): Record<string, string> {
    if (this.request.document === undefined) return {};
    const files = (Object.keys(OWN_FILES) as OwnFile[]).filter((file) => index === 0 || file === 'document');
    return Object.fromEntries(files.map((file) => [OWN_FILES[file][0], this.directory.own(this.request.ref, file)]));
  }

  private cannotStart(index: number, err: NodeJS.ErrnoException): void {
    const name = JSON.stringify(this.request.command[0]);
    const known: Partial<Record<string, string>> = {ENOENT: 'no such file', EACCES: 'not executable'};
    const why = (err.code === undefined ? undefined : known[err.code]) ?? err.code ?? 'unknown error';
    this.exits.push({
      index,
      code: err.code === 'ENOENT' ? 127 : 126, // as shells do
      error: `cannot start ${name}: ${why}`,
      ended_at: new Date().toISOString(),
    });
    this.end(`cannot start ${name}: ${why}`);
    this.finishIfAllEnded();
  }

  private onExit(index: number, group: number, code: number | null, signal: NodeJS.Signals | null): void {
    this.exits.push({index, code, ...(signal === null ? {} : {signal}), ended_at: new Date().toISOString()});
    // A process that ends by itself has no business leaving others behind. One that was asked to end may: they have the same grace.
    if (this.endReason === undefined || this.graceIsOver) {
      signalGroup(group, 'SIGKILL');
      // While the job goes on, this number may become another group's. At the end it stays until the last look.
      if (this.exits.length < this.request.count) this.groups.delete(group);
    }
    this.finishIfAllEnded();
  }

  /** Asks everything to end, once; the first reason counts. */
  private end(reason: string): void {
    if (this.endReason !== undefined || this.finishing) return;
    this.endReason = reason;
    for (const group of this.groups) signalGroup(group, 'SIGTERM');
    // Who left its group gets the same signal; some get it twice, which SIGTERM allows.
    for (const member of findMembers(this.members()).members) if (!this.groups.has(member.pid)) signalProcess(member, 'SIGTERM');
    setTimeout(() => {
      this.graceIsOver = true;
      // Groups whose leader has ended are left to the last look, which makes sure that they still are what they were.
      for (const {identity, child} of this.leaders) if (child.exitCode === null && child.signalCode === null) signalGroup(identity.pid, 'SIGKILL');
    }, this.request.stopGraceMs);
  }

  /** Ends a job that nobody has renewed for too long: 1 to 1.2 times `orphanAfterMs` after the last renewal, plus the grace. */
  private watchRenewals(): void {
    const {orphanAfterMs, ref} = this.request;
    const path = this.directory.file(ref, 'renewed');
    const look = (): number | undefined => statSync(path, {throwIfNoEntry: false})?.mtimeMs;
    // The wall clock may jump: only that the time changed means something; how long ago is counted on the monotonic clock.
    let last = look();
    let lastSeen = performance.now();
    setInterval(
      () => {
        const mtime = look();
        if (mtime !== last) {
          last = mtime;
          lastSeen = performance.now();
        } else if (performance.now() - lastSeen >= orphanAfterMs) {
          this.end(`orphaned: no controller renewed it for ${Math.round(orphanAfterMs / 1000)} s`);
        }
        if (this.isStopAsked()) this.end('stopped'); // the signal was a wake-up call, this is the durable word
      },
      Math.max(20, orphanAfterMs / 5),
    );
  }

  /** Ends a job that runs for longer than it may. */
  private watchDuration(): void {
    const {timeoutMs} = this.request;
    if (timeoutMs === undefined) return;
    const deadline = performance.now() + timeoutMs;
    const look = (): void => {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) this.end(`timed out after ${timeoutMs / 1000} s`);
      else setTimeout(look, Math.min(leftMs, LONGEST_TIMER_MS));
    };
    look();
  }

  private finishIfAllEnded(): void {
    if (this.finishing || !this.hasBegun) return;
    if (this.exits.length < this.request.count && (this.endReason === undefined || this.exits.length < this.expectedExits())) return;
    this.finishing = true;
    void this.finish();
  }

  /** Once it ends, processes that were not started yet never will be. */
  private expectedExits(): number {
    return this.leaders.length + this.exits.filter((exit) => exit.error !== undefined).length;
  }

  private async finish(): Promise<void> {
    if (this.endReason !== undefined) {
      // What our processes left behind was asked to end as well, and has its grace.
      for (;;) {
        const {members, groups} = findMembers(this.members());
        for (const group of this.groups) if (!groups.has(group)) this.groups.delete(group); // empty: its number may soon be another's
        if (this.graceIsOver || members.length === 0) break;
        await delay(END_POLL_MS);
      }
    }
    // Without an end: a process that hangs in the kernel still runs, and nobody may be told otherwise.
    while (!(await endMembers(this.members(), 5000))) await delay(1000);
    await Promise.race([Promise.all(this.leaders.map((leader) => leader.closed)), delay(PIPE_DRAIN_MS)]);
    for (let attempt = 0; attempt < RECORD_ATTEMPTS; attempt++) {
      try {
        this.directory.recordExit(this.request.ref, {
          began: true,
          exit: this.summary(),
          processes: this.exits,
        });
        break;
      } catch {
        await delay(1000);
      }
    }
    process.exit(0);
  }

  private summary(): JobExit {
    const failed = this.exits.find((exit) => exit.code !== 0);
    const reason = this.endReason ?? failed?.error;
    return {
      code: failed === undefined ? 0 : failed.code,
      ...(failed?.signal === undefined ? {} : {signal: failed.signal}),
      ...(reason === undefined ? {} : {reason}),
      ended_at: new Date().toISOString(),
    };
  }

  private members(): MemberQuery {
    const {ref, id} = this.request;
    return {
      markers: [[`${MARKERS.job}=${nameOf(ref)}`, `${MARKERS.runDirectory}=${id}`]],
      groups: this.groups,
      notBeforeTicks: this.self.startTicks,
    };
  }
}

/** A process that we started. */
interface Leader {
  readonly identity: ProcessIdentity;
  readonly child: ChildProcess;
  /** Resolves when it has ended and its pipes are closed. */
  readonly closed: Promise<void>;
}

function say(outcome: LaunchOutcome): void {
  try {
    writeSync(1, `${JSON.stringify(outcome)}\n`);
  } catch {
    // EPIPE: the controller that asked is gone. Others find the claim.
  }
}

/** Ends this process because of a bug or a broken disk. Whatever it launched is contained by the next observer. */
function fail(err: unknown): never {
  const {code, syscall, stack} = err as NodeJS.ErrnoException;
  // Not the message and not the error as a whole: some hold what was passed to the call that failed.
  const frames = String(stack)
    .split('\n')
    .filter((line) => line.startsWith('    at '));
  writeSync(2, `${code ?? 'error'} ${syscall ?? ''}\n${frames.join('\n').slice(0, 2000)}\n`);
  say({kind: 'failed', reason: `${syscall ?? 'supervisor'} ${code ?? 'failed'}`});
  process.exit(70);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
const self = identify(process.pid);
// Blocks until all of it is here. If its writer dies half-way, what came is no JSON and nothing is launched.
const text = readFileSync(0, 'utf8');
if (self !== undefined && text.endsWith('\n')) new Supervisor(JSON.parse(text) as LaunchRequest, self).run();
