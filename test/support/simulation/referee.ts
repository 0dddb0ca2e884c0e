import {deployOwnerKey, ownerKey, parseKey} from '../../../src/schema/keys.ts';
import type {Owner} from '../../../src/schema/owner.ts';
import {isTerminal} from '../../../src/schema/state.ts';
import type {ScanStateName, Writer} from '../../../src/schema/state.ts';
import type {Revision} from '../../../src/store/store.ts';
import type {WrittenRevision} from '../simulated-etcd/key-space.ts';
import type {Simulation} from './simulation.ts';

interface Holder {
  readonly replica: string;
  readonly createRevision: Revision;
}

/**
 * Watches every revision that etcd writes, and what the host is asked to run, for what must never happen:
 *
 * - a state or job written by somebody who is not the owner of its scan or deployment at that revision;
 * - a terminal state that is left again;
 * - a try that is launched twice, or while another try of the same job runs.
 */
export class Referee {
  readonly violations: string[] = [];
  readonly #simulation: Simulation;
  readonly #owners = new Map<string, Holder>();
  readonly #states = new Map<string, ScanStateName>();

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    simulation.etcd.onWrite((written) => this.#judge(written));
  }

  /** All that went wrong so far; nothing, if all is well. */
  verdict(): readonly string[] {
    const {host} = this.#simulation;
    const first = new Map(host.runs.toReversed().map((run) => [run.name, run]));
    const twice = host.runs.filter((run) => first.get(run.name) !== run).map(({name}) => `${name} was launched twice`);
    return [...this.violations, ...host.violations, ...twice];
  }

  #judge({revision, changes}: WrittenRevision): void {
    const before = new Map(this.#owners);
    for (const {event} of changes)
      this.#noteOwner(event.kv.key, event.kind === 'put' ? event.kv.value.toString() : undefined, event.kv.createRevision);
    for (const {event} of changes) {
      const {key, value} = event.kv;
      const ref = parseKey(key);
      if (event.kind !== 'put' || (ref?.kind !== 'state' && ref?.kind !== 'job' && ref?.kind !== 'deploy-state')) continue;
      const {name, by} = JSON.parse(value.toString()) as {readonly name?: ScanStateName; readonly by?: Writer};
      if (ref.kind === 'state' && name !== undefined) this.#noteState(ref.id, name, revision);
      // Without one: written by hand.
      if (by?.replica === undefined) continue;
      // A claim, and a resignation, may be in the very transaction.
      const owner = ref.kind === 'deploy-state' ? deployOwnerKey(ref.id) : ownerKey(ref.id);
      const holders = [before.get(owner), this.#owners.get(owner)];
      const isHeld = holders.some((holder) => holder?.replica === by.replica && (by.fence === undefined || by.fence === holder.createRevision));
      if (!isHeld) this.violations.push(`${revision}: ${key} was written by ${by.replica}, which did not lead it`);
    }
  }

  #noteOwner(key: string, value: string | undefined, createRevision: Revision): void {
    const ref = parseKey(key);
    if (ref?.kind !== 'owner' && ref?.kind !== 'deploy-owner') return;
    if (value === undefined) this.#owners.delete(key);
    else this.#owners.set(key, {replica: (JSON.parse(value) as Owner).replica, createRevision});
  }

  #noteState(id: string, name: ScanStateName, revision: Revision): void {
    const before = this.#states.get(id);
    if (before !== undefined && isTerminal(before) && name !== before) this.violations.push(`${revision}: ${id} went from ${before} to ${name}`);
    this.#states.set(id, name);
  }
}
