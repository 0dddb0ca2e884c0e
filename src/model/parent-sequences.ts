import {ControlPlaneError} from '../lib/errors.ts';
import type {Chain} from '../schema/chain.ts';
import {orderOf} from './chain-order.ts';
import type {ChainOrder} from './chain-order.ts';

/** Steps that may be walked for one chain. One that was built from specs takes a few per job, for each level of its sequences. */
const MAX_STEPS = 20_000_000;

/**
 * Which sequence lies in which: for chains from outside, which do not say so. Sequences go by the id of their first job; what is not in the answer
 * is an outermost one.
 *
 * The sequence around one is that of the job before its first; but where that job ends its own sequence (all of it leads there, and nothing of it
 * comes after), that one is over, and it is the one around that. A sequence lies only in one that begins before it, so none lies in itself.
 *
 * @param chain passes {@link checkChain}
 * @throws ControlPlaneError `too_large`: its sequences are too entangled to tell
 */
export function parentSequences(chain: Chain): ReadonlyMap<string, string> {
  const order = orderOf(chain);
  const sequences = new Sequences(chain, order);
  const parents = new Map<number, number>();
  for (const first of order.order) {
    if (sequences.of(first) !== first) continue;
    const before = order.previous[first]?.[0];
    if (before === undefined) continue;
    const its = sequences.of(before);
    const around = its !== undefined && sequences.isEnd(before) ? parents.get(its) : its;
    if (around !== undefined && sequences.begins(around, first)) parents.set(first, around);
  }
  const idOf = (job: number): string => order.ids[job] ?? '';
  return new Map(Array.from(parents, ([first, parent]) => [idOf(first), idOf(parent)]));
}

class Sequences {
  readonly #order: ChainOrder;
  /** The first job of each job's sequence. */
  readonly #of: readonly (number | undefined)[];
  readonly #members = new Map<number, number[]>();
  readonly #positions: number[] = [];
  readonly #ends = new Map<number, boolean>();
  #steps = 0;

  constructor({jobs}: Chain, order: ChainOrder) {
    this.#order = order;
    const numbers = new Map(order.ids.map((id, job) => [id, job]));
    this.#of = order.ids.map((id) => numbers.get(jobs[id]?.sequence ?? ''));
    order.order.forEach((job, position) => {
      this.#positions[job] = position;
      const first = this.#of[job];
      if (first === undefined) return;
      const members = this.#members.get(first);
      if (members === undefined) this.#members.set(first, [job]);
      else members.push(job);
    });
  }

  of(job: number): number | undefined {
    return this.#of[job];
  }

  /** Whether the sequence of one job begins before another job. */
  begins(first: number, job: number): boolean {
    return (this.#positions[first] ?? 0) < (this.#positions[job] ?? 0);
  }

  /** Whether a job ends its sequence. */
  isEnd(job: number): boolean {
    const first = this.#of[job];
    const members = first === undefined ? undefined : this.#members.get(first);
    // What all others lead to comes after them in every order.
    if (first === undefined || members?.at(-1) !== job) return false;
    let isEnd = this.#ends.get(first);
    if (isEnd === undefined) this.#ends.set(first, (isEnd = this.#allLeadTo(job, first, members.length)));
    return isEnd;
  }

  /** Whether all of a sequence leads to one job. Walks back from it, no further than to where the sequence begins. */
  #allLeadTo(job: number, first: number, members: number): boolean {
    const seen = new Set([job]);
    let found = 0;
    for (const at of seen) {
      if (this.#of[at] === first && ++found === members) return true;
      if (at === first) continue;
      for (const before of this.#order.previous[at] ?? []) {
        if (++this.#steps > MAX_STEPS) throw new ControlPlaneError('too_large', 'the sequences of the chain are too entangled');
        seen.add(before);
      }
    }
    return false;
  }
}
