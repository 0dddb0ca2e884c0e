import {buildChain} from '../../src/specs/build-chain.ts';
import {jobIdsOf} from '../../src/specs/job-ids.ts';
import type {JobMaker, JobToMake, MadeJob} from '../../src/specs/job-maker.ts';
import type {Specs} from '../../src/specs/spec.ts';
import {orderOf} from '../../src/model/chain-order.ts';
import type {Chain, PlannedJob} from '../../src/schema/chain.ts';

/** What jobs of a type set when they are created, by type. */
export type Sets = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Creates any job: keeps its arguments and adds what its type sets. Remembers what was asked for. */
export class PlainMaker implements JobMaker {
  readonly asked: JobToMake[] = [];
  readonly #sets: Sets;

  constructor(sets: Sets = {}) {
    this.#sets = sets;
  }

  make(job: JobToMake): Promise<MadeJob> {
    this.asked.push(job);
    return Promise.resolve({args: {...job.args, ...this.#sets[job.type]}, bytes: 'e30=', runs: {run: {kind: 'command', command: [job.type]}}});
  }
}

/** The chain of a request whose jobs a {@link PlainMaker} creates. */
export function built(specs: Specs, type: string, args: Readonly<Record<string, unknown>>, maker: JobMaker = new PlainMaker()): Promise<Chain> {
  const requestId = '9m4e2mr0ui3e8a215n4g';
  return buildChain(specs, type, args, {requestId, ids: jobIdsOf(requestId), maker, defaultCluster: 'local'});
}

/** The jobs of a name, in the order of the chain. */
export function jobsNamed(chain: Chain, name: string): PlannedJob[] {
  return inOrder(chain).filter((job) => job.name === name);
}

/** The id of the only job of a name. */
export function idOf(chain: Chain, name: string): string {
  const ids = Object.keys(chain.jobs).filter((id) => chain.jobs[id]?.name === name);
  if (ids.length !== 1) throw new Error(`${ids.length} jobs are called ${name}`);
  return ids[0] as string;
}

/** All jobs, each after its predecessors. */
export function inOrder(chain: Chain): PlannedJob[] {
  const {ids, order} = orderOf(chain);
  return order.map((job) => chain.jobs[ids[job] ?? ''] as PlannedJob);
}

/**
 * The layers of a chain: jobs as far from its beginning as the longest way to them, sorted by name. `probe ×4` for several of a name, `notify, store`
 * for several names.
 */
export function layersOf(chain: Chain): string[] {
  const {ids, next, order} = orderOf(chain);
  const depths = ids.map(() => 0);
  for (const job of order) for (const successor of next[job] ?? []) depths[successor] = Math.max(depths[successor] ?? 0, (depths[job] ?? 0) + 1);
  const layers: Map<string, number>[] = [];
  for (const job of order) {
    const layer = (layers[depths[job] ?? 0] ??= new Map());
    const name = chain.jobs[ids[job] ?? '']?.name ?? '';
    layer.set(name, (layer.get(name) ?? 0) + 1);
  }
  return layers.map((layer) =>
    [...layer]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => (count === 1 ? name : `${name} ×${count}`))
      .join(', '),
  );
}
