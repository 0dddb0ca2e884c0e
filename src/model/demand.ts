import {isStoredChain} from '../schema/chain.ts';
import type {Chain} from '../schema/chain.ts';
import {requestedWorkers} from './chain.ts';
import {chainDemand, largestJobs} from './chain-demand.ts';
import type {ScanRecord} from './scan-record.ts';

/** Slots that a request may use at once, by cluster. */
export type Demand = ReadonlyMap<string, number>;

/** A chain in a record never changes, so what it wants is counted once. */
const demands = new WeakMap<Chain, Demand>();

/**
 * What a request may use at once: the workers of a sky scan, the jobs that a chain may run side by side. Empty for a chain that runs nothing anywhere.
 *
 * @returns `undefined` when nobody knows yet: its spec or, of a request that is no sky scan, its chain is not there or damaged
 */
export function demandOf(record: ScanRecord): Demand | undefined {
  const spec = record.spec?.value;
  if (spec === undefined) return undefined;
  if (spec.request !== undefined) return requestedWorkers(spec, record.control?.value.extra_workers ?? []);
  const chain = record.chain?.value;
  if (chain === undefined) return undefined;
  if (isStoredChain(chain)) return new Map(chain.demand);
  let demand = demands.get(chain);
  if (demand === undefined) demands.set(chain, (demand = new Map(chainDemand(chain))));
  return demand;
}

/** As {@link demands}. */
const needs = new WeakMap<Chain, Demand>();

/** Slots without which a job of a chain would run beside what its cluster has room for, by cluster; one where nothing is said. */
export function neededBy(record: ScanRecord): Demand {
  const chain = record.chain?.value;
  if (chain === undefined) return new Map();
  if (isStoredChain(chain)) return new Map(chain.largest ?? []);
  let needed = needs.get(chain);
  if (needed === undefined) needs.set(chain, (needed = new Map(largestJobs(chain))));
  return needed;
}

/** The clusters that a request names, without a look at how much it wants there. */
export function clustersOf(record: ScanRecord): Iterable<string> {
  const request = record.spec?.value.request;
  return request === undefined ? (demandOf(record)?.keys() ?? []) : new Set(request.request_clusters.map(([cluster]) => cluster));
}
