import {isStoredChain} from '../schema/chain.ts';
import type {Chain} from '../schema/chain.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import {requestedWorkers} from './chain.ts';
import {chainDemand, largestJobs} from './chain-demand.ts';
import type {SkymapSpec} from '../schema/scan.ts';
import type {ScanRecord} from './scan-record.ts';

/** Slots that a request may use at once, by cluster. */
export type Demand = ReadonlyMap<string, number>;

/** What is in a record never changes, and many records share it: so what it comes to is counted once. */
const chainDemands = new WeakMap<Chain, Demand>();
const chainNeeds = new WeakMap<Chain, Demand>();
const requests = new WeakMap<SkymapSpec['request']['request_clusters'], Demand>();

function once<K extends object>(counted: WeakMap<K, Demand>, key: K, count: (key: K) => Iterable<readonly [string, number]>): Demand {
  let demand = counted.get(key);
  if (demand === undefined) counted.set(key, (demand = new Map(count(key))));
  return demand;
}

/**
 * What a request may use at once: the workers of a sky scan, the jobs that a chain may run side by side. Empty for a chain that runs nothing anywhere.
 *
 * @returns `undefined` when nobody knows yet: its spec or, of a request that is no sky scan, its chain is not there or damaged
 */
export function demandOf(record: ScanRecord): Demand | undefined {
  const spec = record.spec?.value;
  if (spec === undefined) return undefined;
  if (spec.request !== undefined) {
    const workers = once(requests, spec.request.request_clusters, requestedWorkers);
    const {extra_workers: extra} = record.control?.value ?? DEFAULT_CONTROL;
    return extra.length === 0 ? workers : requestedWorkers([...workers, ...extra.map(({cluster, count}) => [cluster, count] as const)]);
  }
  const chain = record.chain?.value;
  if (chain === undefined) return undefined;
  return isStoredChain(chain) ? new Map(chain.demand) : once(chainDemands, chain, chainDemand);
}

/** Slots without which a job of a chain would run beside what its cluster has room for, by cluster; one where nothing is said. */
export function neededBy(record: ScanRecord): Demand {
  const chain = record.chain?.value;
  if (chain === undefined) return new Map();
  return isStoredChain(chain) ? new Map(chain.largest ?? []) : once(chainNeeds, chain, largestJobs);
}

/** The clusters that a request names, without a look at how much it wants there. */
export function clustersOf(record: ScanRecord): Iterable<string> {
  const request = record.spec?.value.request;
  return request === undefined ? (demandOf(record)?.keys() ?? []) : new Set(request.request_clusters.map(([cluster]) => cluster));
}
