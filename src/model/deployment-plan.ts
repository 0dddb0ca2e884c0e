import {rfc3339} from '../lib/clock.ts';
import type {DeploymentState} from '../schema/deployment.ts';
import type {JobTry} from '../schema/job.ts';
import type {DeployRecord} from './block-record.ts';
import {
  LONGEST_PAUSE_MS,
  digestOfArgs,
  isLeftBehind,
  isOfArgs,
  isOverStatus,
  isUnasked,
  openTryOf,
  revisionOfDeployment,
} from './deployment-facts.ts';
import {learnDeployment} from './deployment-learning.ts';
import {foreignLeftMs} from './try-learning.ts';
import type {Observed} from './try-learning.ts';

/** Times in milliseconds. */
export interface DeploymentPolicy {
  /** Wait before a failed process is started again; doubled for each further failure. */
  readonly retryBaseMs: number;
  readonly orphanAfterMs: number;
  /** From asking a process to end to killing it. */
  readonly stopGraceMs: number;
}

/** A try by what engines call it: `job` is the create revision of the deployment's key. */
export interface TryName {
  readonly job: string;
  readonly try: number;
  readonly place: string;
}

/** A try that an engine was found to have. */
export interface FoundTry extends TryName {
  readonly seen: Observed;
}

export interface DeploymentInput {
  readonly record: DeployRecord;
  /** The state as we saw or wrote it last: used where the stored one was lost meanwhile. */
  readonly remembered?: DeploymentState;
  /** What the engine says of the try that has not ended, of {@link presentState}. */
  readonly observed?: Observed;
  /** What the engines of this replica have besides, looked for when the key or its state is new to us. */
  readonly found: readonly FoundTry[];
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** How long we have owned it, on the monotonic clock. */
  readonly ownedForMs: number;
  readonly policy: DeploymentPolicy;
  /** Why the engine will never take the try that has not ended. */
  readonly refused?: string;
  /** Why nothing of it can be launched, now or ever; or an error that no retry can mend. */
  readonly doomed?: string;
}

/** A state before who wrote it, and when, is put to it. */
export type PlannedState = Omit<DeploymentState, 'by' | 'last_updated'>;

/**
 * The one step to take now. Every step is safe to repeat; after each the deployment is looked at again.
 *
 * - `launch`: record the intent of another try beside this state, then ask the engine. `isNew`: the first under this key.
 * - `quiet`: ask engines to end (`stop`) or never begin (`close`) tries, then look again.
 * - `record`: write this state; `ended` is the try that it says has ended.
 * - `finish`: the same, and resign.
 * - `remove`: nobody asks for it and nothing of it runs: delete the state, resign.
 * - `wait`: nothing to do before `afterMs` or the next change.
 * - `resign`: there is nothing to lead.
 */
export type DeploymentStep =
  | {readonly kind: 'launch'; readonly state: PlannedState; readonly isNew: boolean}
  | {readonly kind: 'quiet'; readonly stop: readonly TryName[]; readonly close: readonly TryName[]}
  | {readonly kind: 'record' | 'finish'; readonly state: PlannedState; readonly ended?: JobTry}
  | {readonly kind: 'remove'}
  | {readonly kind: 'wait'; readonly afterMs?: number}
  | {readonly kind: 'resign'};

/**
 * The state to decide on: the stored one; where it was lost or damaged, what we remember of it, else what the engines have under this key's name.
 * A state put by hand says nothing of tries: its status counts, the tries come from the same sources.
 */
export function presentState({
  record,
  remembered,
  found,
  nowMs,
}: Pick<DeploymentInput, 'record' | 'remembered' | 'found' | 'nowMs'>): DeploymentState | undefined {
  const stored = record.state?.value;
  if (stored?.of !== undefined) return stored;
  if (isUnasked(record)) return remembered ?? stored;
  const known = remembered ?? adopted(found, revisionOfDeployment(record), nowMs);
  if (stored === undefined) return known;
  const of = revisionOfDeployment(record);
  const {status, reason} = stored;
  return {
    ...(known ?? {tries_total: 0, failures: 0, tries: [], ...(of === undefined ? {} : {of})}),
    status,
    ...(reason === undefined ? {} : {reason}),
  };
}

/** A state made of what engines have: the newest try under this key's name. What it was told in secret is lost: its token is good for nothing any more. */
function adopted(found: readonly FoundTry[], of: number | undefined, nowMs: number): DeploymentState | undefined {
  const newest = found.filter(({job}) => job === String(of)).toSorted((a, b) => b.try - a.try)[0];
  if (newest === undefined || of === undefined) return undefined;
  const intent = {try: newest.try, intent_at: rfc3339(nowMs), token_digest: '', place: newest.place};
  return {status: 'PENDING', reason: 'its state was lost', of, tries_total: newest.try, failures: 0, tries: [intent]};
}

/** Decides the next step of a deployment that we own. Pure: everything it knows is in `input`. */
export function planDeployment(input: DeploymentInput): DeploymentStep {
  const {record, observed, doomed, nowMs} = input;
  const state = presentState(input);
  const open = openTryOf(state);
  const of = revisionOfDeployment(record);
  const spec = record.spec?.value;

  const strays = input.found.filter(({job, try: number}) => open === undefined || job !== String(state?.of) || number !== open.try);
  const stop = strays.filter(({seen}) => seen.kind === 'running');
  const close = strays.filter(({seen}) => seen.kind === 'absent');
  if (stop.length + close.length > 0) return {kind: 'quiet', stop, close};

  if (isUnasked(record)) {
    if (open !== undefined && !hasEnded()) return quiet(open);
    // One put by hand in the place of ours goes with the key that it was for.
    const wasOurs = record.spec === undefined && record.state !== undefined && input.remembered !== undefined;
    return isLeftBehind(record) || wasOurs ? {kind: 'remove'} : {kind: 'resign'};
  }

  if (state !== undefined && record.state?.value.of === undefined && (spec !== undefined || open !== undefined)) {
    const digest = state.args_digest ?? (spec === undefined ? undefined : digestOfArgs(spec.args));
    return {kind: 'record', state: {...plain(state), ...(digest === undefined ? {} : {args_digest: digest})}};
  }

  // Repaired by hand or removed: the change wakes us. What runs goes on, and what becomes of it is kept by its engine until it can be judged.
  if (spec === undefined) return open !== undefined || record.bad?.has('state') === true ? {kind: 'wait'} : {kind: 'resign'};

  const isPresent = state !== undefined && state.of === of && isOfArgs(state, spec.args);
  if (state !== undefined && open !== undefined) {
    const learnt = observed === undefined ? state : learnDeployment(state, open, observed, {...input, spec});
    if (learnt !== state) {
      const last = learnt.tries.at(-1);
      const ended = last?.exit === undefined ? {} : {ended: last};
      const isOver = isPresent && isOverStatus(learnt.status);
      return {kind: isOver ? 'finish' : 'record', state: plain(learnt), ...ended};
    }
    if (!isPresent || isOverStatus(state.status) || doomed !== undefined || observed?.kind !== 'running') return quiet(open);
    // Made anew while the key was damaged.
    return state.args_digest === undefined ? {kind: 'record', state: {...plain(state), args_digest: digestOfArgs(spec.args)}} : {kind: 'wait'};
  }

  if (isPresent && isOverStatus(state.status)) return {kind: 'resign'};
  const base = beginning();
  if (doomed !== undefined) return {kind: 'finish', state: {...base, status: 'FAILED', reason: doomed}};
  const leftMs = isPresent ? pauseLeftMs(state.retry_at) : 0;
  if (leftMs > 0) return {kind: 'wait', afterMs: leftMs};
  return {kind: 'launch', state: base, isNew: state?.of !== of};

  /** Where a further try starts from: counters are those of this key and these args. */
  function beginning(): PlannedState {
    const digest = spec === undefined ? {} : {args_digest: digestOfArgs(spec.args)};
    const counted = of === undefined ? digest : {of, ...digest};
    if (state === undefined || state.of !== of) return {status: 'PENDING', ...counted, tries_total: 0, failures: 0, tries: []};
    const {tries_total, tries} = state;
    return {status: 'PENDING', ...counted, tries_total, tries, failures: isPresent ? state.failures : 0};
  }

  /** A wall clock that was set back, or a time that nobody can read, must not make this wait longer than the longest pause. */
  function pauseLeftMs(retryAt: string | undefined): number {
    const left = Date.parse(retryAt ?? '') - nowMs;
    return Number.isNaN(left) ? 0 : Math.min(LONGEST_PAUSE_MS, left);
  }

  function hasEnded(): boolean {
    return observed?.kind === 'exited' || observed?.kind === 'closed' || (observed?.kind === 'foreign' && foreignLeftMs(input) <= 0);
  }

  /** Stops what can be stopped, closes what never began; what another place holds can only be waited for. */
  function quiet({try: number, place}: JobTry): DeploymentStep {
    const name = {job: String(state?.of), try: number, place};
    if (observed?.kind === 'running') return {kind: 'quiet', stop: [name], close: []};
    if (observed?.kind === 'absent') return {kind: 'quiet', stop: [], close: [name]};
    return {kind: 'wait', afterMs: Math.max(100, foreignLeftMs(input))};
  }
}

/** The state without what each write says anew. */
function plain({by: _by, last_updated: _at, ...state}: DeploymentState): PlannedState {
  return state;
}
