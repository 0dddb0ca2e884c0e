import {must} from '../lib/assert.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Admission} from '../schema/admission.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {Chain, JobFacts} from '../schema/chain.ts';
import type {Job, JobTry} from '../schema/job.ts';
import {isTerminal} from '../schema/state.ts';
import type {ScanState, WorkflowEnding} from '../schema/state.ts';
import {SERVER_JOB} from './chain.ts';
import type {ChainRun} from './chain-run.ts';
import {chainEnd, chainNext, chainTimeLeftMs} from './chain-work.ts';
import {openTry} from './job-table.ts';
import {addTry, describeExit} from './job-try.ts';
import {attemptOf, isChained, isExternal, isOver} from './scan-record.ts';
import type {ScanRecord} from './scan-record.ts';
import {failureOf, launchable} from './skymap-work.ts';
import {foreignLeftMs, learn, NO_CHANGES, WAITS} from './try-learning.ts';
import type {JobChanges, Observed} from './try-learning.ts';

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
  readonly doomed?: string | undefined;
  /** Whether the workflow that was handed over is known to be over. Absent: nobody is to be told, since no workload manager is configured. */
  readonly workflowIsOver?: boolean | undefined;
  /** Of a request that is no sky scan, its chain as far as it has come. Follows what is learnt and planned here: after a write that was refused it is of no use any more. */
  readonly run?: ChainRun | undefined;
  /** Of a sky scan, its chain. */
  readonly chain?: Chain | undefined;
  /** Whether there is a cluster of that name. */
  readonly isCluster?: (name: string) => boolean;
}

/**
 * The one step to take now. Every step is safe to repeat; after each the scan is looked at again.
 *
 * - `launch`: record a launch intent for these jobs, then ask the engine.
 * - `build`: make the chain of a request that was put by hand.
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
  | {readonly kind: 'build'}
  | {readonly kind: 'quiet'; readonly stop: readonly string[]; readonly close: readonly string[]; readonly changes: JobChanges}
  | {readonly kind: 'record'; readonly changes: JobChanges; readonly state?: ScanState}
  | {readonly kind: 'end-workflow'; readonly ending: WorkflowEnding; readonly workflowId: string}
  | {readonly kind: 'finish'; readonly changes: JobChanges; readonly state: ScanState}
  | {readonly kind: 'wait'; readonly afterMs?: number}
  | {readonly kind: 'resign'};

/** What nothing may be launched without knowing. */
const DECISIVE: ReadonlySet<string> = new Set(['spec', 'control', 'admission', 'chain', 'state']);

/** Whether somebody has to lead a scan now: there is something to launch, to end or to give back. Exactly then {@link planScan} does not resign. */
export function needsOwner(record: ScanRecord): boolean {
  if (isAdmitted(record) && !isGone(record)) return true;
  // Whatever else is said of the scan: a job that may run is looked after, or ended.
  if (record.jobs?.hasOpen === true) return true;
  if (isGone(record)) return false;
  if (record.state?.value.workflow_ending !== undefined && !isTerminal(record.state.value.name)) return true;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (isOver(record)) return false;
  if (needsChain(record)) return true;
  if (isHeld(record) || (record.state?.value.name === 'SUSPENDED' && control.desired !== 'run' && control.desired !== 'stop'))
    return control.is_deleted;
  return control.is_deleted || control.desired !== 'run';
}

/** Whether it waits for somebody to start it. What has begun is suspended by the same word. */
function isHeld(record: ScanRecord): boolean {
  return record.control?.value.desired === 'hold' && record.state === undefined && !isAdmitted(record);
}

/** Whether somebody has to build its chain first: it was put by hand. */
function needsChain(record: ScanRecord): boolean {
  return isChained(record) && record.chain === undefined && record.bad?.has('chain') !== true;
}

/** Whether nobody asks for the scan any more: its key was deleted, or never came. One whose key is damaged is not gone. */
function isGone(record: ScanRecord): boolean {
  return record.spec === undefined && record.bad?.has('spec') !== true;
}

/** Whether a key is damaged without which nothing may be launched. */
function isDamaged(record: ScanRecord): boolean {
  for (const child of record.bad?.keys() ?? []) if (DECISIVE.has(child) || child.startsWith('job/')) return true;
  return false;
}

/**
 * Whether what became of jobs can be judged. What a job of a chain said counts, and what its request wants: where a key that says so is damaged, engines
 * keep what they know until it is repaired. What is to be ended anyway is.
 */
function isJudgeable(record: ScanRecord): boolean {
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (record.spec?.value.request !== undefined || control.is_deleted || control.desired === 'stop') return true;
  return isGone(record) || isOver(record) || !['spec', 'chain', 'admission', 'control', 'state'].some((part) => record.bad?.has(part) === true);
}

function isAdmitted(record: ScanRecord): boolean {
  return record.admission !== undefined || record.bad?.has('admission') === true;
}

/** Whether we run the server of a scan whose workers are outside. What somebody else has handed over before we began is theirs. */
function hostsServer(record: ScanRecord, admission: Admission): boolean {
  return isExternal(record) && admission.server_cluster !== undefined && (record.ewms === undefined || record.jobs?.get(SERVER_JOB) !== undefined);
}

/** What of a scan's state stays from one to the next, until it is over. */
function lastingOf(record: ScanRecord): Pick<ScanState, 'attempt' | 'started_at' | 'external' | 'workflow_ending'> {
  const state = record.state?.value;
  return {
    attempt: attemptOf(record),
    // What is run again after its end begins anew.
    ...(state?.started_at === undefined || isTerminal(state.name) ? {} : {started_at: state.started_at}),
    ...(isExternal(record) ? {external: true as const} : {}),
    ...(state?.workflow_ending === undefined ? {} : {workflow_ending: state.workflow_ending}),
  };
}

/** The state of a scan of which nothing can be launched now, which says why; `undefined` where it says so already. */
export function waitingState(record: ScanRecord, why: string): ScanState | undefined {
  const reason = `${WAITS}${why}`;
  const stored = record.state?.value;
  if (stored?.reason === reason) return undefined;
  const state: ScanState = stored === undefined || isTerminal(stored.name) ? {...lastingOf(record), name: 'PENDING'} : stored;
  return {...state, reason};
}

/** Decides the next step of a scan that we own. Pure: everything it knows is in `input`. */
export function planScan(input: PlanInput): ScanStep {
  const {record, policy, nowMs, run} = input;
  const state = record.state?.value;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  let changes = isJudgeable(record) ? learn(input) : NO_CHANGES;
  for (const [name, job] of changes) run?.update(name, job);
  const jobs = new Map<string, Job>();
  // Of a chain nobody looks at all jobs at once.
  if (!isChained(record)) record.jobs?.forEach(({value}, name) => jobs.set(name, changes.get(name) ?? value));
  const open: string[] = [];
  record.jobs?.forEachOpen((_, name) => {
    const changed = changes.get(name);
    if (changed === undefined || openTry(changed) !== undefined) open.push(name);
  });

  if (state !== undefined && isOver(record)) return endAs(state); // Perhaps written by hand: whatever runs is ended, then the rest given back.
  if (isGone(record)) return leave();

  const isFinal = record.result?.value.is_final === true && !isChained(record);

  if (isFinal) return tearDown();
  if (control.is_deleted) return endAs(ended('STOPPED', 'deleted by the user'));
  if (control.desired === 'stop') return endAs(ended('STOPPED', 'stopped by the user'));
  const server = jobs.get(SERVER_JOB);
  // A workflow is asked for once, by its server: another server would have no workers. The watchdog makes another scan of it.
  if (isExternal(record) && record.ewms !== undefined && server !== undefined && openTry(server) === undefined) {
    if (server.state !== 'FAIL') {
      const failed: Job = {...server, state: 'FAIL'};
      jobs.set(SERVER_JOB, failed);
      changes = new Map([...changes, [SERVER_JOB, failed]]);
    }
    return endAs(ended('FAIL', `the scanner server ended after its workflow was handed over: ${describeExit(server)}`));
  }
  // It may have been told already, so there is no way back.
  if (state?.workflow_ending !== undefined) return endAs(ended('STOPPED', 'its workflow was ended'));
  // What runs outside cannot be suspended: it goes on, and so do we.
  if ((control.desired === 'suspend' || control.desired === 'hold') && !(isExternal(record) && isAdmitted(record))) {
    const isAtRest = isHeld(record) || (state?.name === 'SUSPENDED' && !isAdmitted(record));
    if (!isAtRest) return endAs({...lastingOf(record), name: 'SUSPENDED', reason: 'suspended by the user'});
    if (input.doomed === undefined) return needsChain(record) ? {kind: 'build'} : leave();
  }

  if (input.doomed !== undefined) return endAs(ended('FAIL', input.doomed));

  // Repaired by hand or removed: the change wakes us. Shown in /readyz and logged once.
  if (isDamaged(record) || record.spec === undefined) return changes.size > 0 ? {kind: 'record', changes} : {kind: 'wait'};

  if (needsChain(record)) return {kind: 'build'};
  const admission = record.admission?.value;
  if (admission === undefined) return leave();
  const isGranted = admission.short === undefined && isChained(record); // A chain may need none.
  if (!isGranted && Object.values(admission.slots).every((slots) => slots === 0)) {
    return endAs(ended('FAIL', admission.short ?? 'no slots were granted'));
  }

  const isHosted = hostsServer(record, admission);
  if (isExternal(record) && !isHosted) {
    if (changes.size > 0) return {kind: 'record', changes};
    if (state?.name === 'RUNNING') return {kind: 'wait'}; // For the final result, or for a stop.
    return {kind: 'record', changes, state: running()};
  }

  let waitMs: number | undefined;
  if (isChained(record)) {
    const chainRun = must(run, 'the run of a chain that is there');
    const present = running();
    const leftMs = chainTimeLeftMs(chainRun.chain, present.started_at, nowMs);
    if (leftMs !== undefined && leftMs <= 0) return endAs(ended('FAIL', `timed out after ${chainRun.chain.timeout}`));
    const next = chainNext(chainRun, admission, nowMs, input.isCluster ?? (() => true));
    if (next.rolledBack.size > 0) changes = new Map([...changes, ...next.rolledBack]);
    const counted = {...present, jobs_total: chainRun.jobsTotal, jobs_finished: chainRun.jobsFinished};
    if (next.launch.size > 0) return {kind: 'launch', chain: chainRun.chain, jobs: next.launch, changes, state: counted};
    if (next.isOver && open.length === 0) {
      // One that has nothing to launch has begun all the same.
      return state?.name === 'RUNNING' ? endAs(ended('FAIL', '')) : {kind: 'record', changes, state: counted};
    }
    // So that all see that it runs, and lists how far it is.
    if (state?.name !== 'RUNNING' || state.attempt !== present.attempt) return {kind: 'record', changes, state: counted};
    if (changes.size > 0 && state.jobs_finished !== counted.jobs_finished) return {kind: 'record', changes, state: counted};
    waitMs = next.waitMs === undefined ? leftMs : Math.min(next.waitMs, leftMs ?? next.waitMs);
  } else {
    const chain = must(input.chain, 'the chain of a sky scan');
    const failure = failureOf(jobs);
    if (failure !== undefined) return endAs(ended('FAIL', failure));
    const next = launchable(chain, jobs, admission, input);
    if (next.ready.size > 0) return {kind: 'launch', chain, jobs: next.ready, changes, state: running()};
    waitMs = next.waitMs;
  }
  const absent = open.filter((name) => input.observed.get(name)?.kind === 'absent');
  // An operator has put another chain in the place of theirs.
  const unplanned = run === undefined ? [] : open.filter((name) => run.planned(name) === undefined && input.observed.get(name)?.kind === 'running');
  if (absent.length + unplanned.length > 0) return {kind: 'quiet', stop: unplanned, close: absent, changes};
  if (changes.size > 0) return {kind: 'record', changes};
  return waitMs === undefined ? {kind: 'wait'} : {kind: 'wait', afterMs: waitMs};

  function running(): ScanState & {readonly started_at: string} {
    const lasting = lastingOf(record);
    return {...lasting, name: 'RUNNING', started_at: lasting.started_at ?? rfc3339(nowMs)};
  }

  function ended(name: ScanState['name'], reason: string): ScanState {
    const counts =
      run === undefined
        ? {jobs_total: jobs.size, jobs_finished: [...jobs.values()].filter((job) => job.state === 'COMPLETE').length}
        : {jobs_total: run.jobsTotal, jobs_finished: run.jobsFinished};
    return {...lastingOf(record), ...counts, name, ended_at: rfc3339(nowMs), reason};
  }

  /** Ends everything that runs; when nothing does, writes `target`. */
  function endAs(target: ScanState): ScanStep {
    if (open.length > 0) return quiet(open);
    const first = endWorkflow(target);
    if (first !== undefined) return first;
    if (run !== undefined && target !== state) {
      const end = chainEnd(run, target, nowMs);
      return {kind: 'finish', changes: new Map([...changes, ...end.rolledBack]), state: end.state};
    }
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
      return {kind: 'record', changes, state: {...(state ?? {...lastingOf(record), name: 'PENDING'}), workflow_ending: ending}};
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
    const current: ScanState = state ?? {...lastingOf(record), name: 'RUNNING'};
    const serverOpen = open.includes(SERVER_JOB) || (isExternal(record) && record.jobs?.get(SERVER_JOB) === undefined);
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

/** The job of a sky scan with a new try: what is written as the launch intent. */
export function withNewTry(previous: Job | undefined, planned: JobFacts, intent: Omit<JobTry, 'try'>): Job {
  const number = (previous?.tries_total ?? 0) + 1;
  return {...planned, state: 'RUNNING', tries_total: number, failures: previous?.failures ?? 0, tries: addTry(previous, {try: number, ...intent})};
}
