import type {PbRecord} from '../model/block-record.ts';
import {dependenciesOf, pbExists, stateOf, waitsToBegin} from '../model/pb-dependencies.ts';
import {blocksOf} from '../model/script-deployment.ts';
import {isPbOver, REALTIME} from '../schema/processing-block.ts';
import type {ProcessingBlock} from '../schema/processing-block.ts';
import type {Cache} from '../store/cache.ts';

const NONE: ReadonlySet<string> = new Set();

/** Which members name a value: the other direction of a list of names. */
class Reverse {
  readonly #names = new Map<string, readonly string[]>();
  readonly #members = new Map<string, Set<string>>();

  get members(): Iterable<string> {
    return this.#names.keys();
  }

  namesOf(member: string): readonly string[] {
    return this.#names.get(member) ?? [];
  }

  of(name: string): ReadonlySet<string> {
    return this.#members.get(name) ?? NONE;
  }

  set(member: string, names: readonly string[]): void {
    for (const name of this.namesOf(member)) {
      const members = this.#members.get(name);
      if (members?.delete(member) === true && members.size === 0) this.#members.delete(name);
    }
    if (names.length === 0) this.#names.delete(member);
    else this.#names.set(member, names);
    for (const name of names) {
      const members = this.#members.get(name);
      if (members === undefined) this.#members.set(name, new Set([member]));
      else members.add(member);
    }
  }
}

/** What others look at of a block: whether it is there, and how it ended. */
type Outcome = 'open' | 'FINISHED' | 'FAILED' | 'CANCELLED';

/** What {@link BlockIndex.takePb} noticed. */
export interface Noticed {
  /** The block was put, replaced or removed. */
  readonly isOther: boolean;
  /** Those who depend on it have to look again. */
  readonly hasOutcomeChanged: boolean;
  /** It had begun, and waits for its dependencies now: somebody changed its state back. */
  readonly waitsAgain: boolean;
}

/**
 * Who has to look again when something changes: kept up to date with the cache by whoever leads, one change at a time.
 *
 * So what a change costs depends on the blocks that it concerns, not on how many there are.
 */
export class BlockIndex {
  readonly #cache: Cache;
  readonly #dependents = new Reverse();
  readonly #realtime = new Reverse();
  readonly #deployments = new Reverse();
  readonly #specs = new Map<string, ProcessingBlock>();
  readonly #outcomes = new Map<string, Outcome>();
  /** Open blocks that wait for nothing any more. */
  readonly #begun = new Set<string>();

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** Blocks that name `id` as a dependency. */
  dependentsOf(id: string): ReadonlySet<string> {
    return this.#dependents.of(id);
  }

  /** Realtime blocks of an execution block. */
  realtimeOf(ebId: string): ReadonlySet<string> {
    return this.#realtime.of(ebId);
  }

  /** Deployments that may belong to a block. */
  deploymentsOf(pbId: string): ReadonlySet<string> {
    return this.#deployments.of(pbId);
  }

  /** Takes in how a block is now. */
  takePb(id: string): Noticed {
    const record = this.#cache.pbs.get(id);
    const spec = record?.spec?.value;
    const isOther = spec !== this.#specs.get(id);
    if (isOther) {
      if (spec === undefined) this.#specs.delete(id);
      else this.#specs.set(id, spec);
      this.#dependents.set(id, spec === undefined ? [] : [...new Set(dependenciesOf(spec))]);
      this.#realtime.set(id, spec !== undefined && spec.script.kind === REALTIME && spec.eb_id !== null ? [spec.eb_id] : []);
    }
    const outcome = outcomeOf(record);
    const hasOutcomeChanged = outcome !== this.#outcomes.get(id);
    if (outcome === undefined) this.#outcomes.delete(id);
    else this.#outcomes.set(id, outcome);
    const state = outcome === 'open' ? stateOf(record)?.value : undefined;
    const hasBegun = state !== undefined && !waitsToBegin(state);
    const waitsAgain = this.#begun.has(id) && !hasBegun;
    if (hasBegun) this.#begun.add(id);
    else this.#begun.delete(id);
    return {isOther, hasOutcomeChanged, waitsAgain};
  }

  /** Takes in how a deployment is now. @returns the blocks that it may belong to, and those that it might have before */
  takeDeployment(id: string): ReadonlySet<string> {
    const record = this.#cache.deployments.get(id);
    const before = this.#deployments.namesOf(id);
    const blocks = record?.spec === undefined ? [] : blocksOf(record);
    this.#deployments.set(id, blocks);
    return new Set([...before, ...blocks]);
  }

  /** Everything that it has taken in. */
  *known(): Generator<{readonly kind: 'pb' | 'deploy'; readonly id: string}> {
    for (const id of this.#outcomes.keys()) yield {kind: 'pb', id};
    for (const id of this.#deployments.members) yield {kind: 'deploy', id};
  }
}

function outcomeOf(record: PbRecord | undefined): Outcome | undefined {
  if (!pbExists(record)) return undefined;
  const status = stateOf(record)?.value.status;
  return status === undefined || !isPbOver(status) ? 'open' : (status as Outcome);
}
