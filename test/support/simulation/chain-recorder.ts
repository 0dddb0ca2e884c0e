import {parseControl} from '../../../src/schema/control.ts';
import {parseJob} from '../../../src/schema/job.ts';
import type {Job, JobTry} from '../../../src/schema/job.ts';
import {parseKey} from '../../../src/schema/keys.ts';
import {parseScanState} from '../../../src/schema/state.ts';
import type {ScanStateName} from '../../../src/schema/state.ts';
import type {Asked, ChainEvent, Ending} from '../reference-interpreter.ts';
import type {WrittenRevision} from '../simulated-etcd/key-space.ts';
import type {Simulation} from './simulation.ts';

/** How long an owner may not have heard of what was asked for, in milliseconds: longer than it leads without hearing anything. */
const LAG_MS = 10_000;

interface Wish {
  readonly what: Asked;
  readonly atMs: number;
}

interface Recorded {
  /** What happened at once is together. */
  readonly events: ChainEvent[][];
  readonly jobs: Map<string, Job>;
  /** Tries that were recorded, and whether their end was. */
  readonly tries: Map<string, boolean>;
  /** The latest first. */
  wishes: readonly Wish[];
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
      recorded = {events: [], jobs: new Map(), tries: new Map(), wishes: [{what: 'run', atMs: Number.NEGATIVE_INFINITY}], state: undefined};
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
        this.#of(ref.id).wishes = [{what: desired, atMs: nowMs}, ...this.#of(ref.id).wishes];
        add(others, ref.id, {kind: 'asked', what: desired, atMs: nowMs});
      } else if (ref.kind === 'state') {
        const {name} = parseScanState(text, event.kv.key);
        const recorded = this.#of(ref.id);
        if (name !== recorded.state && name !== 'RUNNING' && name !== 'PENDING') add(others, ref.id, {kind: 'rested', state: name, atMs: nowMs});
        recorded.state = name;
      } else if (ref.kind === 'job') {
        for (const each of this.#tries(ref.id, ref.job, parseJob(text, event.kv.key), nowMs))
          add(each.kind === 'ended' ? ended : others, ref.id, each);
      }
    }
    for (const id of new Set([...ended.keys(), ...others.keys()])) {
      const decided = (others.get(id) ?? []).sort((a, b) => ORDER[a.kind] - ORDER[b.kind]);
      // A launch and an end compare what is asked for: then nothing is left open.
      const isSure = decided.some(({kind}) => kind !== 'asked');
      const ends = (ended.get(id) ?? []).map((event) => (isSure && event.kind === 'ended' ? withoutAsked(event) : event));
      this.#of(id).events.push([...ends, ...decided]);
    }
  }

  *#tries(id: string, job: string, record: Job, nowMs: number): Generator<ChainEvent> {
    const recorded = this.#of(id);
    for (const each of record.tries) {
      const name = `${id}/${job}/${each.try}`;
      const isEnded = recorded.tries.get(name);
      if (isEnded === undefined) yield {kind: 'launched', job, atMs: Date.parse(each.intent_at)};
      if (each.exit !== undefined && isEnded !== true) yield this.#ended(name, job, record, each, recorded, nowMs);
      recorded.tries.set(name, each.exit !== undefined);
    }
    recorded.jobs.set(job, record);
  }

  #ended(name: string, job: string, record: Job, {exit}: JobTry, recorded: Recorded, nowMs: number): ChainEvent {
    const run = this.#simulation.host.runOf(name);
    if (run !== undefined && run.endedAtMs === undefined) this.#problems.push(`${name} was taken to have ended while it ran`);
    // What had no owner for too long was ended for no fault of its own.
    const isLost = run === undefined || exit?.reason?.startsWith('orphaned') === true;
    const how: Ending = isLost ? 'lost' : (this.#endings.get(name) ?? (exit?.signal === 'SIGKILL' ? 'killed' : 'FAIL'));
    const event: ChainEvent = {kind: 'ended', job, how, atMs: Date.parse(exit?.ended_at ?? '')};
    const known = this.#knownWishes(recorded, nowMs);
    if (new Set(known).size < 2) return event;
    // It is written without a look at what is asked for by now, so both are right; what was written says which it was.
    const counted = record.failures > (recorded.jobs.get(job)?.failures ?? 0) || record.state === 'STOPPED';
    const asked = known.find((what) => (what === 'run') === counted);
    return asked === undefined ? event : {...event, asked};
  }

  /** What an owner may have known to be asked for: the latest, and what was so a moment ago. */
  #knownWishes({wishes}: Recorded, nowMs: number): readonly Asked[] {
    return wishes.filter((_, i) => i === 0 || (wishes[i - 1] as Wish).atMs > nowMs - LAG_MS).map(({what}) => what);
  }
}

const ORDER = {ended: 0, asked: 1, launched: 2, rested: 3} as const satisfies Record<ChainEvent['kind'], number>;

function withoutAsked({kind, job, how, atMs}: ChainEvent & {readonly kind: 'ended'}): ChainEvent {
  return {kind, job, how, atMs};
}
