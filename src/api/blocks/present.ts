import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../../model/block-record.ts';
import type {BadEntry, Entry} from '../../model/scan-record.ts';
import type {Admission} from '../../schema/admission.ts';
import type {Deployment, DeploymentState} from '../../schema/deployment.ts';
import {currentEb} from '../../schema/execution-block.ts';
import type {EbState, ExecutionBlock} from '../../schema/execution-block.ts';
import type {JobTry} from '../../schema/job.ts';
import type {Owner} from '../../schema/owner.ts';
import type {PbState, ProcessingBlock} from '../../schema/processing-block.ts';
import type {Script} from '../../schema/script.ts';

/** A key whose value cannot be read, and why. */
export interface Damage {
  readonly key: string;
  readonly reason: string;
}

/** An owner key as it is shown. The random id of its claimant is nobody else's to know: who repeats it is taken for the claimant. */
export interface PresentedOwner {
  readonly command: readonly string[];
  readonly hostname: string;
  readonly pid: number;
  readonly since: string;
  /** What a write under this claim names. */
  readonly owner_revision: number;
}

/** What every object has. `spec` is `null` where only what belongs to it is there, or where it is damaged. */
interface Common<S> {
  readonly id: string;
  readonly spec: S | null;
  readonly damaged?: readonly Damage[];
}

/** `spec` is the block as it is now, wherever its dynamic members are stored; `state` what `/eb/[id]/state` says, where that key exists. */
export interface PresentedEb extends Common<ExecutionBlock> {
  readonly state: EbState | null;
}

export interface PresentedPb extends Common<ProcessingBlock> {
  readonly state: PbState | null;
  readonly owner: PresentedOwner | null;
  readonly admission: Admission | null;
  /** Whether it stands in the backlog. */
  readonly is_waiting: boolean;
}

export type PresentedScript = Common<Script>;

type PresentedDeploymentState = Omit<DeploymentState, 'tries'> & {readonly tries: readonly Omit<JobTry, 'token_digest'>[]};

export interface PresentedDeployment extends Common<Deployment> {
  readonly state: PresentedDeploymentState | null;
  /** The replica that runs it. */
  readonly owner: PresentedOwner | null;
}

export function presentEb({id, spec, state, bad}: EbRecord): PresentedEb {
  return {id, spec: spec === undefined ? null : currentEb(spec.value, state?.value), state: valueOf(state), ...damageIn(bad)};
}

export function presentPb({id, spec, state, owner, admission, waiting, bad}: PbRecord): PresentedPb {
  return {
    ...{id, spec: valueOf(spec), state: valueOf(state), owner: presentOwner(owner), admission: valueOf(admission)},
    is_waiting: waiting !== undefined,
    ...damageIn(bad),
  };
}

export function presentScript({id, spec, bad}: ScriptRecord): PresentedScript {
  return {id, spec: valueOf(spec), ...damageIn(bad)};
}

export function presentDeployment({id, spec, state, owner, bad}: DeployRecord): PresentedDeployment {
  return {
    ...{id, spec: valueOf(spec), state: state === undefined ? null : withoutDigests(state.value), owner: presentOwner(owner)},
    ...damageIn(bad),
  };
}

export function presentOwner(owner: Entry<Owner> | undefined): PresentedOwner | null {
  if (owner === undefined) return null;
  const {command, hostname, pid, since} = owner.value;
  return {command, hostname, pid, since, owner_revision: owner.createRevision};
}

/** What is stored of the tokens of its tries is nobody's business. */
function withoutDigests(state: DeploymentState): PresentedDeploymentState {
  const tries = state.tries.map((each) => {
    const {token_digest: _, ...others} = each;
    return others;
  });
  return {...state, tries};
}

const valueOf = <T>(entry: Entry<T> | undefined): T | null => entry?.value ?? null;

function damageIn(bad: ReadonlyMap<string, BadEntry> | undefined): {readonly damaged?: readonly Damage[]} {
  return bad === undefined ? {} : {damaged: [...bad.values()].map(({key, reason}) => ({key, reason}))};
}
