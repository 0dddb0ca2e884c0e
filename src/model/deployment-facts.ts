import {createHash} from 'node:crypto';
import {canonicalJson} from '../lib/canonical-json.ts';
import type {DeploymentArgs, DeploymentState, DeploymentStatus} from '../schema/deployment.ts';
import type {JobTry} from '../schema/job.ts';
import type {DeployRecord} from './block-record.ts';

/** How often a deployment that fails is started again, unless it says so itself. */
export const DEFAULT_RETRIES = 5;

/** The longest pause before a further try. */
export const LONGEST_PAUSE_MS = 30_000;

/** Tries kept in the state. */
export const TRIES_KEPT = 5;

const OVER: ReadonlySet<DeploymentStatus> = new Set(['FINISHED', 'CANCELLED', 'FAILED']);

/** Whether nothing of it is to run any more, under these args. */
export function isOverStatus(status: DeploymentStatus): boolean {
  return OVER.has(status);
}

const digests = new WeakMap<DeploymentArgs, string>();

/** SHA-256 in hex of the canonical JSON of args. Kept with the object, which is asked again whenever something of its deployment changes. */
export function digestOfArgs(args: DeploymentArgs): string {
  let digest = digests.get(args);
  if (digest === undefined) {
    digest = createHash('sha256').update(canonicalJson(args)).digest('hex');
    digests.set(args, digest);
  }
  return digest;
}

/** The try that has not ended, if there is one. */
export function openTryOf(state: DeploymentState | undefined): JobTry | undefined {
  const last = state?.tries.at(-1);
  return last?.exit === undefined ? last : undefined;
}

/** The tries with one more, the oldest dropped. */
export function withTry(tries: readonly JobTry[], next: JobTry): JobTry[] {
  return [...tries, next].slice(-TRIES_KEPT);
}

/** Create revision of the deployment's key, by which its jobs are called; also of one that does not parse. `undefined`: there is none. */
export function revisionOfDeployment(record: DeployRecord): number | undefined {
  return (record.spec ?? record.bad?.get('spec'))?.createRevision;
}

/** Whether we wrote the state: others keep states of deployments that are theirs to install. */
function isOurs(state: DeploymentState): boolean {
  return state.tries.length > 0 || state.by !== undefined;
}

/** Whether nobody asks us to run it: its key was deleted, or says that it is somebody else's. */
export function isUnasked(record: DeployRecord): boolean {
  return record.spec === undefined ? record.bad?.has('spec') !== true : record.spec.value.type !== 'job';
}

/** Whether a deployment that nobody asks us to run has a state that is ours to take away. What a chart's owner wrote is not, damaged or not. */
export function isLeftBehind(record: DeployRecord): boolean {
  if (record.state !== undefined) return isOurs(record.state.value);
  return record.bad?.has('state') === true && record.spec === undefined;
}

/** Whether somebody has to lead a deployment now. Exactly then `planDeployment` does not resign. */
export function needsDeployer(record: DeployRecord): boolean {
  if (isUnasked(record)) return isLeftBehind(record);
  if (record.bad?.has('state') === true) return true;
  const state = record.state?.value;
  if (openTryOf(state) !== undefined) return true;
  if (record.spec === undefined) return false; // Damaged: nothing is launched before it is repaired.
  return state === undefined || state.of !== record.spec.createRevision || !isOverStatus(state.status) || !isOfArgs(state, record.spec.value.args);
}

/** Whether a state speaks of these args. One that does not say is taken for it: it was made anew after a loss. */
export function isOfArgs(state: DeploymentState, args: DeploymentArgs): boolean {
  return state.args_digest === undefined || state.args_digest === digestOfArgs(args);
}

/** A process that ran for so long was well: what failed before it counts no more. */
export const STEADY_MS = 10 * 60_000;
