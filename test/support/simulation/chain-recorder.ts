import {parseControl} from '../../../src/schema/control.ts';
import {parseJob} from '../../../src/schema/job.ts';
import type {Job, JobTry} from '../../../src/schema/job.ts';
import {parseKey} from '../../../src/schema/keys.ts';
import {parseScanState} from '../../../src/schema/state.ts';
import type {ScanStateName} from '../../../src/schema/state.ts';
import type {ChainEvent, Ending} from '../reference-interpreter.ts';
import type {WrittenRevision} from '../simulated-etcd/key-space.ts';
import type {Simulation} from './simulation.ts';

interface Recorded {
  /** What happened at once is together. */
  readonly events: ChainEvent[][];
  /** Tries that were recorded, and whether their end was. */
  readonly tries: Map<string, boolean>;
  state: ScanStateName | undefined;
}

/**
 * Turns what etcd writes into the events of chains, in the order in which they were decided: that of the revisions.
 *
 * How a try ended is what the host knows of it, not what its owner made of it.
 */
export class ChainRecorder {
  readonly #simulation: Simulation;
  readonly #endings: ReadonlyMap<string, Ending>;
  readonly #recorded = new Map<string, Recorded>();
  readonly #problems: string[] = [];

  constructor(simulation: Simulation, endings: ReadonlyMap<string, Ending>) {
    this.#simulation = simulation;
    this.#endings = endings;
    simulation.etcd.onWrite((written) => this.#note(written));
  }

  eventsOf(id: string): readonly (readonly ChainEvent[])[] {
    return this.#of(id).events;
  }

  /** What was recorded and cannot be. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  #of(id: string): Recorded {
    let recorded = this.#recorded.get(id);
    if (recorded === undefined) {
      recorded = {events: [], tries: new Map(), state: undefined};
      this.#recorded.set(id, recorded);
    }
    return recorded;
  }

  #note({changes}: WrittenRevision): void {
    const nowMs = Date.now();
    const ended = new Map<string, ChainEvent[]>();
    const others = new Map<string, ChainEvent[]>();
    const add = (to: Map<string, ChainEvent[]>, id: string, event: ChainEvent): void => void to.set(id, [...(to.get(id) ?? []), event]);
    for (const {event} of changes) {
      const ref = parseKey(event.kv.key);
      if (event.kind !== 'put' || ref === undefined) continue;
      const text = event.kv.value.toString();
      if (ref.kind === 'control') {
        const {desired} = parseControl(text, event.kv.key);
        if (desired === 'hold') continue;
        add(others, ref.id, {kind: 'asked', what: desired, atMs: nowMs});
      } else if (ref.kind === 'state') {
        const {name} = parseScanState(text, event.kv.key);
        const recorded = this.#of(ref.id);
        if (name !== recorded.state && name !== 'RUNNING' && name !== 'PENDING') add(others, ref.id, {kind: 'rested', state: name, atMs: nowMs});
        recorded.state = name;
      } else if (ref.kind === 'job') {
        for (const each of this.#tries(ref.id, ref.job, parseJob(text, event.kv.key))) add(each.kind === 'ended' ? ended : others, ref.id, each);
      }
    }
    for (const id of new Set([...ended.keys(), ...others.keys()])) {
      const decided = (others.get(id) ?? []).sort((a, b) => ORDER[a.kind] - ORDER[b.kind]);
      // A launch and an end compare what is asked for: so each was decided by what stood then.
      this.#of(id).events.push([...(ended.get(id) ?? []), ...decided]);
    }
  }

  *#tries(id: string, job: string, record: Job): Generator<ChainEvent> {
    const recorded = this.#of(id);
    for (const each of record.tries) {
      const name = `${id}/${job}/${each.try}`;
      const isEnded = recorded.tries.get(name);
      if (isEnded === undefined) yield {kind: 'launched', job, atMs: Date.parse(each.intent_at)};
      if (each.exit !== undefined && isEnded !== true) yield this.#ended(name, job, each);
      recorded.tries.set(name, each.exit !== undefined);
    }
  }

  #ended(name: string, job: string, {exit}: JobTry): ChainEvent {
    const run = this.#simulation.host.runOf(name);
    if (run !== undefined && run.endedAtMs === undefined) this.#problems.push(`${name} was taken to have ended while it ran`);
    // What had no owner for too long was ended for no fault of its own.
    const isLost = run === undefined || exit?.reason?.startsWith('orphaned') === true;
    const how: Ending = isLost ? 'lost' : (this.#endings.get(name) ?? (exit?.signal === 'SIGKILL' ? 'killed' : 'FAIL'));
    return {kind: 'ended', job, how, atMs: Date.parse(exit?.ended_at ?? '')};
  }
}

const ORDER = {ended: 0, asked: 1, launched: 2, rested: 3} as const satisfies Record<ChainEvent['kind'], number>;
