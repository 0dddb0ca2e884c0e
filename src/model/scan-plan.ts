import {must, unreachable} from '../lib/assert.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Admission} from '../schema/admission.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import {isStoredChain} from '../schema/chain.ts';
import type {Chain, JobFacts} from '../schema/chain.ts';
import type {Job, JobExit, JobTry} from '../schema/job.ts';
import {isTerminal} from '../schema/state.ts';
import type {ScanState, WorkflowEnding} from '../schema/state.ts';
import {SERVER_JOB, buildSkymapChain} from './chain.ts';
import {isExternal} from './scan-record.ts';
import type {ScanRecord} from './scan-record.ts';

/** What the engine says of the newest try of a job. The same shape as the engines' JobObservation, which this layer must not import. */
export type Observed =
  | {readonly kind: 'absent' | 'foreign' | 'closed'}
  | {readonly kind: 'running'; readonly handle: string; readonly startedAt: string}
  | {readonly kind: 'exited'; readonly handle: string; readonly exit: JobExit};

/** Times in milliseconds. */
export interface PlanPolicy {
  readonly teardownMs: number;
  /** How many further tries a failed job gets. */
  readonly retry: number;
  /** Wait before the first further try; doubled for each one after. */
  readonly retryBaseMs: number;
  readonly orphanAfterMs: number;
  /** From asking a job to end to killing it. */
  readonly stopGraceMs: number;
}

export interface PlanInput {
  readonly record: ScanRecord;
  /** By job name, for every job whose newest try has not ended. */
  readonly observed: ReadonlyMap<string, Observed>;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** How long we have owned the scan, on the monotonic clock. */
  readonly ownedForMs: number;
  readonly policy: PlanPolicy;
  /** Why the scan must end in FAIL: an error that no retry can mend. */
  readonly doomed?: string;
  /** Whether the workflow that was handed over is known to be over. Absent: nobody is to be told, since no workload manager is configured. */
  readonly workflowIsOver?: boolean;
}

/** Jobs as they should be stored next, by name; only those that change. */
export type JobChanges = ReadonlyMap<string, Job>;

/**
 * The one step to take now. Every step is safe to repeat; after each the scan is looked at again.
 *
 * - `launch`: record a launch intent for these jobs, then ask the engine.
 * - `quiet`: ask the engine to end (`stop`) or never begin (`close`) these tries, then look again.
 * - `record`: write what was learnt.
 * - `end-workflow`: tell the outside workload manager, until it answers.
 * - `finish`: write the terminal state (or SUSPENDED), give the admission back, resign.
 * - `wait`: nothing to do before `afterMs` or the next change.
 * - `resign`: not ours to lead now.
 */
export type ScanStep =
  | {
      readonly kind: 'launch';
      readonly chain: Chain;
      readonly jobs: ReadonlyMap<string, JobFacts>;
      readonly changes: JobChanges;
      readonly state: ScanState;
    }
  | {readonly kind: 'quiet'; readonly stop: readonly string[]; readonly close: readonly string[]; readonly changes: JobChanges}
  | {readonly kind: 'record'; readonly changes: JobChanges; readonly state?: ScanState}
  | {readonly kind: 'end-workflow'; readonly ending: WorkflowEnding; readonly workflowId: string}
  | {readonly kind: 'finish'; readonly changes: JobChanges; readonly state: ScanState}
  | {readonly kind: 'wait'; readonly afterMs?: number}
  | {readonly kind: 'resign'};

/** What nothing may be launched without knowing. */
const DECISIVE: ReadonlySet<string> = new Set(['spec', 'control', 'admission', 'chain', 'state']);
/** How long a server goes on after a workers job of its ended well, before that job is started again: a worker may end by mistake, and a server waits. */
const WORKERS_AGAIN_MS = 30_000;
const LONGEST_PAUSE_MS = 30_000;
/** How many tries a job keeps in its key; the full history is in the job log. */
const TRIES_KEPT = 5;

/** The try that has not ended, if there is one. */
export function openTry(job: Job): JobTry | undefined {
  const last = job.tries.at(-1);
  return last !== undefined && last.exit === undefined ? last : undefined;
}

/** Whether somebody has to lead a scan now: there is something to launch, to end or to give back. Exactly then {@link planScan} does not resign. */
export function needsOwner(record: ScanRecord): boolean {
  if (isAdmitted(record) && !isGone(record)) return true;
  // Whatever else is said of the scan: a job that may run is looked after, or ended.
  for (const {value} of record.jobs?.values() ?? []) if (openTry(value) !== undefined) return true;
  if (isGone(record)) return false;
  if (record.state?.value.workflow_ending !== undefined && !isTerminal(record.state.value.name)) return true;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (record.state !== undefined && isTerminal(record.state.value.name)) return false;
  if (record.state?.value.name === 'SUSPENDED' && control.desired === 'suspend') return control.is_deleted;
  return control.is_deleted || control.desired !== 'run';
}

/** Whether nobody asks for the scan any more: its key was deleted, or never came. One whose key is damaged is not gone. */
function isGone(record: ScanRecord): boolean {
  return record.spec === undefined && record.bad?.has('spec') !== true;
}

function isAdmitted(record: ScanRecord): boolean {
  return record.admission !== undefined || record.bad?.has('admission') === true;
}

/** Decides the next step of a scan that we own. Pure: everything it knows is in `input`. */
export function planScan(input: PlanInput): ScanStep {
  const {record, policy, nowMs} = input;
  const state = record.state?.value;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  const {jobs, changes} = learn(input);
  const open = [...jobs].filter(([, job]) => openTry(job) !== undefined).map(([name]) => name);

  if (state !== undefined && isTerminal(state.name)) return endAs(state); // Written by hand: whatever runs is ended, then the rest given back.
  if (isGone(record)) return leave();

  const attempt = state?.attempt ?? 1;
  const base = {
    attempt,
    ...(state?.started_at === undefined ? {} : {started_at: state.started_at}),
    ...(isExternal(record) ? {external: true as const} : {}),
    ...(state?.workflow_ending === undefined ? {} : {workflow_ending: state.workflow_ending}),
  };
  const isFinal = record.result?.value.is_final === true;

  if (isFinal) return tearDown();
  if (control.is_deleted) return endAs(ended('STOPPED', 'deleted by the user'));
  if (control.desired === 'stop') return endAs(ended('STOPPED', 'stopped by the user'));
  // It may have been told already, so there is no way back.
  if (state?.workflow_ending !== undefined) return endAs(ended('STOPPED', 'its workflow was ended'));
  // What runs outside cannot be suspended: it goes on, and so do we.
  if (control.desired === 'suspend' && !(isExternal(record) && isAdmitted(record))) {
    if (state?.name === 'SUSPENDED' && !isAdmitted(record)) return leave();
    return endAs({...base, name: 'SUSPENDED', reason: 'suspended by the user'});
  }

  if (input.doomed !== undefined) return endAs(ended('FAIL', input.doomed));

  const badChild = [...(record.bad ?? [])].find(([child]) => DECISIVE.has(child) || child.startsWith('job/'));
  // Repaired by hand or removed: the change wakes us. Shown in /readyz and logged once.
  if (badChild !== undefined || record.spec === undefined) return changes.size > 0 ? {kind: 'record', changes} : {kind: 'wait'};

  const admission = record.admission?.value;
  if (admission === undefined) return leave();
  if (Object.values(admission.slots).every((slots) => slots === 0)) {
    return endAs(ended('FAIL', admission.short ?? 'no slots were granted'));
  }

  if (isExternal(record)) {
    if (changes.size > 0) return {kind: 'record', changes};
    if (state?.name === 'RUNNING') return {kind: 'wait'}; // For the final result, or for a stop.
    return {kind: 'record', changes, state: {...base, name: 'RUNNING', started_at: base.started_at ?? rfc3339(nowMs)}};
  }

  const stored = record.chain?.value;
  const chain = stored === undefined || isStoredChain(stored) ? buildSkymapChain(record.spec.value, policy.retry) : stored;
  const failure = failureOf(jobs);
  if (failure !== undefined) return endAs(ended('FAIL', failure));

  const {ready, waitMs} = launchable(chain, jobs, admission, input);
  if (ready.size > 0) {
    return {kind: 'launch', chain, jobs: ready, changes, state: {...base, name: 'RUNNING', started_at: base.started_at ?? rfc3339(nowMs)}};
  }
  const absent = open.filter((name) => input.observed.get(name)?.kind === 'absent');
  if (absent.length > 0) return {kind: 'quiet', stop: [], close: absent, changes};
  if (changes.size > 0) return {kind: 'record', changes};
  return waitMs === undefined ? {kind: 'wait'} : {kind: 'wait', afterMs: waitMs};

  function ended(name: ScanState['name'], reason: string): ScanState {
    const jobs_finished = [...jobs.values()].filter((job) => job.state === 'COMPLETE').length;
    return {...base, jobs_total: jobs.size, jobs_finished, name, ended_at: rfc3339(nowMs), reason};
  }

  /** Ends everything that runs; when nothing does, writes `target`. */
  function endAs(target: ScanState): ScanStep {
    if (open.length > 0) return quiet(open);
    const first = endWorkflow(target);
    if (first !== undefined) return first;
    const settled = new Map(changes);
    for (const [name, job] of jobs) {
      if (job.state === 'RUNNING' || job.state === 'PENDING')
        settled.set(name, {...job, state: target.name === 'COMPLETE' ? 'COMPLETE' : target.name === 'SUSPENDED' ? 'PENDING' : 'STOPPED'});
    }
    return {kind: 'finish', changes: settled, state: target};
  }

  /** The workflow outside ends before the scan does: first what it is to be told is written down, then it is told until it answers. */
  function endWorkflow(target: ScanState): ScanStep | undefined {
    if (record.ewms === undefined || input.workflowIsOver !== false || target.name === 'SUSPENDED') return undefined;
    const ending = state?.workflow_ending ?? (target.name === 'COMPLETE' ? 'finished' : 'abort');
    if (state?.workflow_ending === undefined && target !== state) {
      return {kind: 'record', changes, state: {...(state ?? {...base, name: 'PENDING'}), workflow_ending: ending}};
    }
    if (changes.size > 0) return {kind: 'record', changes};
    return {kind: 'end-workflow', ending, workflowId: record.ewms.value.workflow_id};
  }

  /** Lets go of a scan that is not to be led now: when nothing of it runs, and that is written down. */
  function leave(): ScanStep {
    if (open.length > 0) return quiet(open);
    return changes.size > 0 ? {kind: 'record', changes} : {kind: 'resign'};
  }

  /** Stops what can be stopped, closes what never began; what another place holds can only be waited for. */
  function quiet(names: readonly string[]): ScanStep {
    const stop = names.filter((name) => input.observed.get(name)?.kind === 'running');
    const close = names.filter((name) => input.observed.get(name)?.kind === 'absent');
    if (stop.length + close.length > 0) return {kind: 'quiet', stop, close, changes};
    if (changes.size > 0) return {kind: 'record', changes};
    return {kind: 'wait', afterMs: Math.max(100, foreignLeftMs(input))};
  }

  /** The final result is in: when the server has exited, or its time is up, the workers are stopped and the scan is COMPLETE. Of a server outside only its time is known. */
  function tearDown(): ScanStep {
    const current = must(state ?? {...base, name: 'RUNNING'}, 'a state') as ScanState;
    const serverOpen = open.includes(SERVER_JOB) || isExternal(record);
    if (current.teardown_due_at === undefined && serverOpen) {
      return {kind: 'record', changes, state: {...current, name: 'RUNNING', teardown_due_at: rfc3339(nowMs + policy.teardownMs)}};
    }
    const isUnwanted = control.is_deleted || control.desired === 'stop';
    const leftMs = current.teardown_due_at === undefined || isUnwanted ? 0 : Date.parse(current.teardown_due_at) - nowMs;
    if (serverOpen && leftMs > 0) return changes.size > 0 ? {kind: 'record', changes} : {kind: 'wait', afterMs: leftMs};
    if (open.length > 0) return quiet(open);
    return endAs({...ended('COMPLETE', 'final result received'), jobs_finished: jobs.size});
  }
}

/** Takes over into the jobs what the engine said: handles of what runs, exits of what has ended. */
function learn(input: PlanInput): {jobs: Map<string, Job>; changes: Map<string, Job>} {
  const jobs = new Map<string, Job>();
  const changes = new Map<string, Job>();
  for (const [name, entry] of input.record.jobs ?? []) {
    const job = entry.value;
    const observed = input.observed.get(name);
    const current = openTry(job);
    const next = current === undefined || observed === undefined ? job : learnTry(job, current, observed, input);
    jobs.set(name, next);
    if (next !== job) changes.set(name, next);
  }
  return {jobs, changes};
}

function learnTry(job: Job, current: JobTry, observed: Observed, input: PlanInput): Job {
  switch (observed.kind) {
    case 'absent':
      return job;
    case 'foreign':
      // Another host's run directory. Its supervisor ends the job by itself when no owner has renewed it for `orphanAfterMs`; nobody but us may have, since we lead.
      if (foreignLeftMs(input) > 0) return job;
      return closeTry(job, current, {code: null, reason: 'its host does not answer for it any more', ended_at: rfc3339(input.nowMs)}, false);
    case 'closed':
      return closeTry(job, current, {code: null, reason: 'never began', ended_at: rfc3339(input.nowMs)}, false);
    case 'running':
      if (current.handle !== undefined) return job;
      return replaceTry(job, {...current, handle: observed.handle, started_at: observed.startedAt}, {state: 'RUNNING'});
    case 'exited': {
      const seen = current.handle === undefined ? {...current, handle: observed.handle} : current;
      return closeTry(job, seen, observed.exit, countsAsFailure(job, observed.exit, input.record));
    }
    default:
      return unreachable(observed);
  }
}

/** A server that ends before the final result is in has failed, whatever its exit code. What we stopped ourselves has not. */
function countsAsFailure(job: Job, exit: JobExit, record: ScanRecord): boolean {
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (control.desired !== 'run' || control.is_deleted || record.admission === undefined) return false;
  if (exit.reason?.startsWith('stopped') === true || record.result?.value.is_final === true) return false;
  return job.type === 'scanner-server' || exit.code !== 0;
}

function closeTry(job: Job, current: JobTry, exit: JobExit, isFailure: boolean): Job {
  const failures = job.failures + (isFailure ? 1 : 0);
  const done = !isFailure && exit.code === 0;
  return replaceTry(job, {...current, exit}, {state: done ? 'COMPLETE' : failures > job.retry ? 'FAIL' : 'PENDING', failures});
}

function replaceTry(job: Job, next: JobTry, more: Partial<Job>): Job {
  return {...job, ...more, tries: [...job.tries.slice(0, -1), next]};
}

/** How long another host's job may still run: until its supervisor has noticed that nobody renews it, and has ended it; with something to spare. */
function foreignLeftMs(input: PlanInput): number {
  const {orphanAfterMs, stopGraceMs} = input.policy;
  return orphanAfterMs * 1.5 + stopGraceMs + 1000 - input.ownedForMs;
}

/** Why the scan cannot go on: the server has used up its tries, or every workers job has. */
function failureOf(jobs: ReadonlyMap<string, Job>): string | undefined {
  const server = jobs.get(SERVER_JOB);
  if (server?.state === 'FAIL') return `the scanner server failed ${server.failures} times, last: ${describeExit(server)}`;
  const workers = [...jobs].filter(([, job]) => job.type === 'workers');
  const last = workers.at(-1);
  if (last !== undefined && workers.every(([, job]) => job.state === 'FAIL')) {
    return `the workers failed ${last[1].failures} times, last: ${describeExit(last[1])}`;
  }
  return undefined;
}

/** One line on how the newest ended try of a job ended. */
export function describeExit(job: Job): string {
  const exit = job.tries.findLast((each) => each.exit !== undefined)?.exit;
  if (exit === undefined) return 'it has not ended';
  if (exit.reason !== undefined && exit.reason !== '') return exit.reason;
  if (exit.signal !== undefined) return `signal ${exit.signal}`;
  return exit.code === 0 ? 'exit code 0 without a final result' : `exit code ${exit.code}`;
}

/** Which jobs may start now, with how many processes; and when the next one may. */
function launchable(
  chain: Chain,
  jobs: ReadonlyMap<string, Job>,
  admission: Admission,
  input: PlanInput,
): {ready: Map<string, JobFacts>; waitMs: number | undefined} {
  const ready = new Map<string, JobFacts>();
  let waitMs: number | undefined;
  const server = jobs.get(SERVER_JOB);
  const serverIsOpen = server !== undefined && openTry(server) !== undefined;
  const consider = (name: string, {type, cluster, retry, count}: JobFacts): void => {
    const job = jobs.get(name);
    const left = job === undefined ? 0 : pauseLeftMs(job, ready.has(SERVER_JOB), input);
    if (left <= 0) ready.set(name, {type, cluster, retry, count});
    else waitMs = Math.min(waitMs ?? left, left);
  };

  const plannedServer = server ?? chain.jobs[SERVER_JOB];
  if (!serverIsOpen && plannedServer !== undefined) consider(SERVER_JOB, server ?? {...plannedServer, cluster: homeOf(plannedServer, admission)});

  const free = new Map(Object.entries(admission.slots));
  const take = (cluster: string, count: number): number => {
    const granted = Math.min(count, free.get(cluster) ?? 0);
    free.set(cluster, (free.get(cluster) ?? 0) - granted);
    return granted;
  };
  for (const job of jobs.values()) if (job.type === 'workers' && openTry(job) !== undefined) take(job.cluster, job.count);

  const startable: [string, JobFacts][] = [];
  for (const [name, job] of jobs) if (job.type === 'workers' && openTry(job) === undefined && job.state !== 'FAIL') startable.push([name, job]);
  for (const [name, planned] of Object.entries(chain.jobs)) if (planned.type === 'workers' && !jobs.has(name)) startable.push([name, planned]);
  for (const [name, planned] of startable) {
    const count = take(planned.cluster, planned.count);
    if (count > 0) consider(name, {...planned, count});
  }
  // What was given up keeps its slots: they are not handed to a further job, which would only be the same again.
  for (const job of jobs.values()) if (job.type === 'workers' && job.state === 'FAIL') take(job.cluster, job.count);
  // Slots granted later than the start, or asked for as extra workers: a further job for what is left.
  for (const [cluster, left] of free) {
    if (left <= 0) continue;
    let n = 1;
    while (chain.jobs[`extra-${cluster}-${n}`] !== undefined || jobs.has(`extra-${cluster}-${n}`)) n++;
    consider(`extra-${cluster}-${n}`, {type: 'workers', cluster, count: left, retry: input.policy.retry});
  }
  return {ready, waitMs};
}

/** Where the server runs: beside workers of its. The cluster that was asked first may not exist, or have no slot now. */
function homeOf(planned: JobFacts, {slots}: Admission): string {
  if ((slots[planned.cluster] ?? 0) > 0) return planned.cluster;
  return Object.keys(slots).find((cluster) => (slots[cluster] ?? 0) > 0) ?? planned.cluster;
}

/** How long a job that has ended waits before its next try. A new server gets all workers at once, also those that its predecessor told to go. */
function pauseLeftMs(job: Job, serverStarts: boolean, input: PlanInput): number {
  const exit = job.tries.at(-1)?.exit;
  if (exit === undefined) return 0;
  const hasDone = job.type === 'workers' && job.state === 'COMPLETE';
  const afterFailure = job.failures === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, input.policy.retryBaseMs * 2 ** (job.failures - 1));
  const pause = !hasDone ? afterFailure : serverStarts ? 0 : WORKERS_AGAIN_MS;
  // A wall clock that was set back, or a time that nobody can read, must not make this wait longer than the pause itself.
  const elapsed = input.nowMs - Date.parse(exit.ended_at);
  return Number.isNaN(elapsed) ? 0 : Math.min(pause, pause - elapsed);
}

/** The job with a new try: what is written as the launch intent. */
export function withNewTry(previous: Job | undefined, planned: JobFacts, intent: Omit<JobTry, 'try'>): Job {
  const number = (previous?.tries_total ?? 0) + 1;
  const tries = [...(previous?.tries ?? []), {try: number, ...intent}].slice(-TRIES_KEPT);
  return {...planned, state: 'RUNNING', tries_total: number, failures: previous?.failures ?? 0, tries};
}
