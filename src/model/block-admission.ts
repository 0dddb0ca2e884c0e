import {EXTERNAL_ENGINE} from '../schema/cluster.ts';
import {scriptDeploymentId} from '../schema/deployment.ts';
import {REALTIME} from '../schema/processing-block.ts';
import {parseScriptId} from '../schema/block-ids.ts';
import type {ClusterFacts, FreeSlots, Grant} from './admission-plan.ts';
import type {DeployRecord, PbRecord, ScriptRecord} from './block-record.ts';
import {stateOf, verdictOn} from './pb-dependencies.ts';
import type {PbLookup} from './pb-dependencies.ts';
import {isOurs} from './script-deployment.ts';

/** What is stored beside a block that may wait for slots. */
export interface WaitingLookups extends PbLookup {
  script(id: string): ScriptRecord | undefined;
  deployment(id: string): DeployRecord | undefined;
}

/** Slots that a block takes, on one cluster, until it is over. */
export interface BlockDemand {
  readonly cluster: string;
  readonly slots: number;
}

/** Whether a block waits for its slots: its script waits, and all that it depends on is done. Realtime blocks take none. */
export function waitsForSlots(record: PbRecord, look: WaitingLookups): boolean {
  const {spec, bad, admission} = record;
  if (spec === undefined || admission !== undefined || ['state', 'admission'].some((part) => bad?.has(part))) return false;
  const state = stateOf(record)?.value;
  if (state?.status !== 'WAITING' || state.resources_available === true || spec.value.script.kind === REALTIME) return false;
  return verdictOn(spec.value, look).kind === 'finished';
}

/** What a block takes: as its script's deployment says, else as its script does. */
export function demandOfBlock(record: PbRecord, look: WaitingLookups, defaultCluster: string): BlockDemand {
  const deployment = look.deployment(scriptDeploymentId(record.id));
  const args = isOurs(deployment) ? deployment.spec.value.args : undefined;
  const {kind, name, version} = record.spec?.value.script ?? {};
  const id = `${kind}:${name}:${version}`;
  const script = parseScriptId(id) === undefined ? undefined : look.script(id)?.spec?.value;
  return {cluster: args?.cluster ?? script?.cluster ?? defaultCluster, slots: args?.slots ?? script?.slots ?? 1};
}

/**
 * What a waiting block gets now: all its slots, or as many as its cluster has at all; `undefined` when it must wait.
 *
 * One that can never run is granted nothing, with the reason: the processing controller then fails it.
 */
export function grantForBlock({cluster, slots}: BlockDemand, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): Grant | undefined {
  const facts = clusters.get(cluster);
  if (facts === undefined) return {slots: {}, short: `no cluster is called ${cluster}`};
  if (facts.engine === EXTERNAL_ENGINE) return {slots: {}, short: `cluster ${cluster} is external: no script can run there`};
  const wanted = Math.min(slots, facts.capacity);
  if (wanted === 0 || (free.get(cluster) ?? 0) < wanted) return undefined;
  const short = wanted < slots ? {short: `${cluster} has ${wanted} slots for the ${slots} asked`} : {};
  return {slots: {[cluster]: wanted}, ...short};
}

/** Takes what a block waits for from those that come after it. One that waits for a cluster without capacity keeps nothing from anybody. */
export function holdBackForBlock({cluster, slots}: BlockDemand, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): void {
  const wanted = Math.min(slots, clusters.get(cluster)?.capacity ?? 0);
  free.set(cluster, Math.max(0, (free.get(cluster) ?? 0) - wanted));
}
