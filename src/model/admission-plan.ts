import {EXTERNAL_ENGINE, KUBERNETES_ENGINE} from '../schema/cluster.ts';
import type {Cluster} from '../schema/cluster.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import {clustersOf, demandOf, neededBy} from './demand.ts';
import {isChained, isExternal, isOver} from './scan-record.ts';
import type {ScanRecord} from './scan-record.ts';

/** Slots granted, by cluster; in words why fewer than asked; whether the scan's workers are none of ours, and where its server runs if that is. */
export interface Grant {
  readonly slots: Readonly<Record<string, number>>;
  readonly short?: string;
  readonly external?: true;
  readonly server_cluster?: string;
}

/** What counts of a cluster here. One whose key is damaged has no engine that anybody knows. */
export type ClusterFacts = Pick<Cluster, 'capacity'> & {readonly engine?: string; readonly settings?: Pick<Cluster['settings'], 'server_cluster'>};

/** Worker slots still free, by cluster. */
export type FreeSlots = Map<string, number>;

/** Whether a scan wants to run and waits for admission. */
export function waitsForAdmission(record: ScanRecord): boolean {
  if (record.spec === undefined || record.admission !== undefined) return false;
  // Of any other request nobody knows yet what it wants: its first owner writes the chain.
  if (record.spec.value.request === undefined && record.chain === undefined) return false;
  if (record.bad?.has('admission') || record.bad?.has('control') || record.bad?.has('state')) return false;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (control.is_deleted || control.desired !== 'run') return false;
  return !isOver(record);
}

/** The priority that counts now: what the user set last, else what was asked. */
export function priorityOf(record: ScanRecord): number {
  return record.control?.value.priority ?? record.spec?.value.request?.priority ?? record.spec?.value.priority ?? 0;
}

/** Why clusters cannot serve one scan together: some are external and some are ours; `undefined` when they can. Names that are not known do not count. */
export function mixtureOf(names: Iterable<string>, engineOf: (cluster: string) => string | undefined): string | undefined {
  let outside: string | undefined;
  let inside: string | undefined;
  for (const name of names) {
    const engine = engineOf(name);
    if (engine === EXTERNAL_ENGINE) outside ??= name;
    else if (engine !== undefined) inside ??= name;
  }
  return outside === undefined || inside === undefined ? undefined : `cannot mix external clusters (${outside}) with others (${inside})`;
}

/**
 * What a waiting scan gets now: as many of its workers as fit, at least one; `undefined` when it must wait. Any other request gets, on each of its
 * clusters, at least the slots of its largest job: it keeps them until its end, so two that had one cluster each would wait for each other's.
 *
 * A scan that can never run (no cluster of that name, or clusters that do not go together) is granted nothing, with the reason: its owner then writes FAIL.
 */
export function grantFor(record: ScanRecord, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): Grant | undefined {
  const wanted = demandOf(record);
  if (wanted === undefined) return undefined;
  if (wanted.size === 0) return {slots: {}};
  const unknown = [...wanted.keys()].filter((cluster) => !clusters.has(cluster));
  if (unknown.length === wanted.size) return {slots: {}, short: `no cluster is called ${unknown.join(', ')}`};
  const engineOf = (cluster: string): string | undefined => clusters.get(cluster)?.engine;
  const mixture = mixtureOf(wanted.keys(), engineOf);
  if (mixture !== undefined) return {slots: {}, short: mixture};
  const outside = isChained(record) ? [...wanted.keys()].find((cluster) => engineOf(cluster) === EXTERNAL_ENGINE) : undefined;
  if (outside !== undefined) return {slots: {}, short: `cluster ${outside} is external: no job of a chain can run there`};
  const slots: Record<string, number> = {};
  const notes = unknown.map((cluster) => `no cluster is called ${cluster}`);
  let total = 0;
  for (const [cluster, count] of wanted) {
    const granted = Math.min(count, Math.max(0, free.get(cluster) ?? 0));
    if (granted > 0) slots[cluster] = granted;
    total += granted;
    const capacity = clusters.get(cluster)?.capacity ?? 0;
    if (clusters.has(cluster) && capacity < count) notes.push(`${cluster} has ${capacity} slots for the ${count} workers asked`);
  }
  if (total === 0) return undefined;
  if (isChained(record)) {
    const needed = neededBy(record);
    const isShort = (cluster: string, capacity: number): boolean => (slots[cluster] ?? 0) < Math.max(1, Math.min(needed.get(cluster) ?? 1, capacity));
    if ([...wanted.keys()].some((cluster) => clusters.has(cluster) && isShort(cluster, clusters.get(cluster)?.capacity ?? 0))) return undefined;
  }
  // Whoever took the workflow over before admission runs the workers, whatever the clusters are.
  const isOutside = (record.ewms !== undefined && !isChained(record)) || [...wanted.keys()].some((cluster) => engineOf(cluster) === EXTERNAL_ENGINE);
  const home = record.ewms === undefined ? serverHome(wanted.keys(), clusters) : undefined;
  if (home?.problem !== undefined) return {slots: {}, short: home.problem};
  if (home?.isDamaged === true) return undefined;
  return {
    slots,
    ...(notes.length === 0 ? {} : {short: notes.join('; ')}),
    ...(isOutside ? {external: true} : {}),
    ...(home === undefined ? {} : {server_cluster: home.name}),
  };
}

interface ServerHome {
  readonly name: string;
  /** Why no server can run there. */
  readonly problem?: string;
  /** Its key has to be repaired first. */
  readonly isDamaged?: boolean;
}

/** Where the first of these clusters that says so has its scans' servers run; `undefined`: none is started by us. */
function serverHome(names: Iterable<string>, clusters: ReadonlyMap<string, ClusterFacts>): ServerHome | undefined {
  for (const cluster of names) {
    const {engine, settings} = clusters.get(cluster) ?? {};
    const name = settings?.server_cluster;
    if (engine !== EXTERNAL_ENGINE || name === undefined) continue;
    const home = clusters.get(name);
    if (home === undefined) return {name, problem: `no cluster is called ${name}, where ${cluster} has servers run`};
    if (home.engine === undefined) return {name, isDamaged: true};
    return home.engine === KUBERNETES_ENGINE ? {name} : {name, problem: `cluster ${name}, where ${cluster} has servers run, is none of Kubernetes`};
  }
  return undefined;
}

/**
 * Takes what a scan waits for from those that come after it: all of its clusters. A request with a chain takes what it needs to
 * begin: the slots of its largest job on each. One that waits for a cluster without capacity waits for an operator: until then it keeps nothing from anybody.
 */
export function holdBack(record: ScanRecord, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): void {
  const wanted = [...clustersOf(record)];
  const hasChain = isChained(record);
  if (hasChain && wanted.some((cluster) => clusters.get(cluster)?.capacity === 0)) return;
  const needed = hasChain ? neededBy(record) : undefined;
  for (const cluster of wanted) free.set(cluster, needed === undefined ? 0 : Math.max(0, (free.get(cluster) ?? 0) - (needed.get(cluster) ?? 1)));
}

/** Further slots for a scan that runs with fewer than it asked; `undefined` when there are none. Never where another kind of workforce is. */
export function growthFor(
  record: ScanRecord,
  free: FreeSlots,
  engineOf: (cluster: string) => string | undefined = () => undefined,
): Readonly<Record<string, number>> | undefined {
  const wanted = demandOf(record);
  if (wanted === undefined || record.admission === undefined || record.result?.value.is_final === true) return undefined;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  if (control.is_deleted || control.desired !== 'run') return undefined;
  const granted = record.admission.value.slots;
  let isEmpty = true; // Then it can never run; its owner says so.
  for (const _ in granted) isEmpty = false;
  if (isEmpty && !(isChained(record) && record.admission.value.short === undefined)) return undefined;
  let slots: Record<string, number> | undefined;
  for (const [cluster, count] of wanted) {
    const more = Math.min(count - (granted[cluster] ?? 0), Math.max(0, free.get(cluster) ?? 0));
    if (more <= 0) continue;
    const engine = engineOf(cluster);
    // One that was handed over while it waited keeps the clusters it asked for.
    if (engine !== undefined && (engine === EXTERNAL_ENGINE) !== isExternal(record) && record.ewms === undefined) continue;
    (slots ??= {...granted})[cluster] = (granted[cluster] ?? 0) + more;
  }
  return slots;
}
