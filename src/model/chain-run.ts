import {must} from '../lib/assert.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {parseGoDuration} from '../lib/go-duration.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob} from '../schema/chain.ts';
import type {Job} from '../schema/job.ts';
import {isKeyId} from '../schema/keys.ts';
import type {StateName} from '../schema/state.ts';
import {openTry} from './job-table.ts';
import {retryPauseMs, wasKilled, wasStopped} from './job-try.ts';

/** Data that a job is given, or hands on. Never changed once made: what is the same is shared. */
export type JobData = Readonly<Record<string, unknown>>;

/** What a chain asks for now. */
export interface ChainWork {
  /** Jobs that may start, within the slots. */
  readonly launch: readonly string[];
  /** First jobs of sequences to be rolled back: nothing of them runs. */
  readonly rollBack: readonly string[];
  /** Milliseconds until something becomes due by itself. */
  readonly waitMs?: number;
  /** Nothing runs, and nothing ever will. */
  readonly isOver: boolean;
}

/** Slots of a cluster; `undefined` for one that has none and gets none, where a launch is tried all the same, so that its owner meets the reason. */
export type SlotsOf = (cluster: string) => number | undefined;

interface Vertex {
  readonly id: string;
  readonly planned: PlannedJob;
  readonly next: Vertex[];
  readonly previous: Vertex[];
  /** Position in an order in which each job comes after its predecessors. */
  position: number;
  sequence: Sequence | undefined;
  record: Job | undefined;
  state: StateName;
  /** Predecessors that are not COMPLETE. */
  missing: number;
  /** Order of completion among real jobs; that of a noop is that of the last before it. */
  rank: number;
  /** What its children are given, once it is COMPLETE. */
  data: JobData;
}

interface Sequence {
  readonly first: Vertex;
  readonly retry: number;
  readonly parent: Sequence | undefined;
  /** Roll-backs of its own, plus the try of the sequence around it: grows whenever it, or anything around it, is rolled back. */
  try: number;
  /** When it may begin, milliseconds since 1970; 0: at once. */
  dueMs: number;
}

/** Longer than anybody waits, and a time that can still be written down. */
const LONGEST_WAIT_MS = 100 * 365 * 24 * 3600 * 1000;
/** A wall clock that goes back by less stands still for as long. */
const CLOCK_STEP_MS = 1000;
/** A wait before a job's next try. `dueMs` is milliseconds since 1970. */
interface Pause {
  dueMs: number;
  readonly lengthMs: number;
}

const NO_DATA: JobData = Object.freeze({});
/** States that end a job for good unless its sequence is tried again. */
const FAILED: ReadonlySet<StateName> = new Set(['FAIL', 'UNKNOWN']);

/**
 * A chain and where it stands: which jobs may start, which sequences begin anew, whether it is over.
 *
 * Follows the records that {@link update} brings, at a cost that depends on the change and not on the chain; only a roll-back, or a record that
 * goes back from COMPLETE, looks at all jobs again. It has no clock and does nothing: every decision is a function of the chain, the records and the time given.
 *
 * A `noop` has no record: it is COMPLETE when its predecessors are (and, first of a sequence that is to wait before it begins again, when that is due).
 */
export class ChainRun {
  readonly chain: Chain;
  readonly #attempt: number;
  readonly #vertices = new Map<string, Vertex>();
  readonly #inOrder: readonly Vertex[];
  readonly #sequences = new Map<string, Sequence>();
  /** PENDING with all predecessors COMPLETE, by cluster; without those that wait for their next try. */
  readonly #ready = new Map<string, Set<Vertex>>();
  /** Ready, but for a pause. */
  readonly #pausing = new Map<Vertex, Pause>();
  readonly #running = new Set<Vertex>();
  readonly #failed = new Set<Vertex>();
  /** First jobs, ready but for their sequence's wait. */
  readonly #held = new Set<Vertex>();
  #complete = 0;
  #lastRank = 0;
  #nowMs = 0;

  /**
   * `nowMs` is milliseconds since 1970.
   *
   * @throws ControlPlaneError `invalid`: a job has an id that none can have, or jobs or sequences form a circle. `not_found`: it names a job that is not there
   */
  constructor(chain: Chain, attempt: number, nowMs: number, records: Iterable<readonly [string, Job]> = []) {
    this.chain = chain;
    this.#nowMs = nowMs;
    this.#attempt = attempt;
    for (const [id, planned] of Object.entries(chain.jobs)) {
      // Its record would lie under a key that nobody reads.
      if (!isKeyId(id)) throw new ControlPlaneError('invalid', `no job can be called ${JSON.stringify(id.slice(0, 80))}`);
      const vertex: Vertex = {
        ...{id, planned, next: [], previous: [], position: 0, sequence: undefined, record: undefined},
        ...{state: 'PENDING' as const, missing: 0, rank: 0, data: NO_DATA},
      };
      this.#vertices.set(id, vertex);
    }
    for (const [id, successors] of Object.entries(chain.adjacency)) {
      for (const successor of successors) {
        const [from, to] = [this.#vertex(id), this.#vertex(successor)];
        from.next.push(to);
        to.previous.push(from);
      }
    }
    this.#inOrder = inOrder([...this.#vertices.values()]);
    for (const vertex of this.#inOrder) vertex.sequence = vertex.planned.sequence === undefined ? undefined : this.#sequence(vertex.planned.sequence);
    for (const [id, record] of records) {
      const vertex = this.#vertices.get(id);
      if (vertex !== undefined) vertex.record = record;
    }
    this.#recompute();
  }

  // What is so

  get jobsTotal(): number {
    return this.#vertices.size;
  }

  /** How many are COMPLETE, noops included. */
  get jobsFinished(): number {
    return this.#complete;
  }

  get isComplete(): boolean {
    return this.#complete === this.#vertices.size;
  }

  /** The number that the next job to complete gets. */
  get nextCompletion(): number {
    return this.#lastRank + 1;
  }

  planned(id: string): PlannedJob | undefined {
    return this.#vertices.get(id)?.planned;
  }

  record(id: string): Job | undefined {
    return this.#vertices.get(id)?.record;
  }

  /** As it counts now: PENDING for one whose record is of an earlier try of its sequence. @throws ControlPlaneError `not_found` */
  stateOf(id: string): StateName {
    return this.#vertex(id).state;
  }

  /** The try of the sequence that a job is in, from 1. */
  sequenceTryOf(id: string): number {
    return this.#vertex(id).sequence?.try ?? 1;
  }

  /** Whether a job's record is of now, not of an earlier try of its sequence or an earlier attempt. */
  isCurrent(id: string): boolean {
    const vertex = this.#vertex(id);
    return vertex.record !== undefined && this.#isCurrent(vertex, vertex.record);
  }

  /** All jobs, each after its predecessors. */
  *ids(): Generator<string> {
    for (const {id} of this.#inOrder) yield id;
  }

  /** Those that failed and are not tried again by anything. */
  *failedForGood(): Generator<string> {
    for (const vertex of this.#inOrder) if (this.#failed.has(vertex) && this.#retrying(vertex) === undefined) yield vertex.id;
  }

  /** What a job is given: its parents' data in the order of their completion, over what earlier tries of its sequence wrote, under what its own tries in this one did. */
  dataFor(id: string): JobData {
    const vertex = this.#vertex(id);
    const {record} = vertex;
    const parents = inherited(vertex);
    if (record?.data === undefined) return parents;
    return (record.sequence_try ?? 1) < this.sequenceTryOf(id) ? {...record.data, ...parents} : {...parents, ...record.data};
  }

  /** Retries that a sequence has used within the present try of the one around it, in the present attempt. */
  usedRetriesOf(first: string): number {
    const sequence = this.#sequences.get(first);
    return sequence === undefined ? 0 : this.#used(sequence);
  }

  // What comes

  /** Takes in a job's record. */
  update(id: string, record: Job | undefined): void {
    if (this.#takeIn(id, record)) this.#recompute();
  }

  /** Takes in several records: however many sequences they roll back, all jobs are looked at again once. */
  updateAll(records: Iterable<readonly [string, Job]>): void {
    let goesBack = false;
    for (const [id, record] of records) if (this.#takeIn(id, record)) goesBack = true;
    if (goesBack) this.#recompute();
  }

  /** What to do at this time. `concurrency` of the chain and the slots bound what runs at once; a job takes as many slots as it has processes. */
  work(nowMs: number, slotsOf: SlotsOf): ChainWork {
    this.#advance(nowMs);
    const blocked = new Set<Sequence>();
    for (const vertex of this.#failed) {
      const sequence = this.#retrying(vertex);
      if (sequence !== undefined) blocked.add(sequence);
    }
    // One inside another that is to be rolled back goes with it.
    const outermost = [...blocked].filter((sequence) => !isWithinAny(sequence.parent, blocked));
    const rollBack = outermost.filter((sequence) => !this.#isBusy(sequence)).map(({first}) => first.id);
    const launch = this.#launchable(blocked, slotsOf);
    let dueMs = Number.POSITIVE_INFINITY;
    for (const pause of this.#pausing.values()) dueMs = Math.min(dueMs, pause.dueMs);
    for (const {sequence} of this.#held) dueMs = Math.min(dueMs, sequence?.dueMs ?? 0);
    const waits = Number.isFinite(dueMs);
    const isOver = this.#running.size === 0 && blocked.size === 0 && !waits && [...this.#ready.values()].every((ready) => ready.size === 0);
    return {launch, rollBack, ...(waits ? {waitMs: Math.max(0, dueMs - nowMs)} : {}), isOver};
  }

  /** The record to be written for a sequence's first job: with it, all that is in the sequence is PENDING again. */
  rolledBack(first: string, nowMs: number): Job {
    const sequence = must(this.#sequences.get(first), 'a sequence');
    const {record, planned} = sequence.first;
    const parentTry = sequence.parent?.try ?? 1;
    const waitMs = this.#waitMs(first);
    const {name, type, cluster, count, retry} = planned;
    return {
      ...(record ?? {...(name === undefined ? {} : {name}), type, cluster, count, retry, state: 'PENDING', tries_total: 0, failures: 0, tries: []}),
      sequence: {
        rolled_back: (record?.sequence?.rolled_back ?? 0) + 1,
        parent_try: parentTry,
        used: this.#used(sequence) + 1,
        ...(this.#attempt === 1 ? {} : {attempt: this.#attempt}),
        ...(waitMs > 0 ? {retry_at: new Date(nowMs + waitMs).toISOString()} : {}),
      },
    };
  }

  // How it follows

  /** Takes in one record. `true`: all jobs are to be looked at again. */
  #takeIn(id: string, record: Job | undefined): boolean {
    const vertex = this.#vertices.get(id);
    if (vertex === undefined || vertex.record === record) return false;
    const before = vertex.record;
    vertex.record = record;
    const isRolledBack = this.#sequences.has(id) && !isSameSequence(before, record);
    const next = isNoop(vertex) ? vertex.state : this.#stored(vertex);
    if (isRolledBack || (vertex.state === 'COMPLETE' && next !== 'COMPLETE')) return true;
    if (isNoop(vertex) || vertex.state === 'COMPLETE') return false;
    this.#leave(vertex);
    vertex.state = next;
    if (next === 'COMPLETE') this.#completeFrom(vertex);
    else this.#enter(vertex);
    return false;
  }

  #vertex(id: string): Vertex {
    const vertex = this.#vertices.get(id);
    if (vertex === undefined) throw new ControlPlaneError('not_found', `the chain has no job ${id}`);
    return vertex;
  }

  #sequence(first: string, around: ReadonlySet<string> = new Set()): Sequence {
    let sequence = this.#sequences.get(first);
    if (sequence !== undefined) return sequence;
    if (around.has(first)) throw new ControlPlaneError('invalid', `the sequence of job ${first} lies in itself`);
    const planned = this.chain.sequences?.[first];
    const hasParent = planned?.parent !== undefined && planned.parent !== first;
    const parent = hasParent ? this.#sequence(planned.parent, new Set(around).add(first)) : undefined;
    sequence = {first: this.#vertex(first), retry: planned?.retry ?? 0, parent, try: 1, dueMs: 0};
    this.#sequences.set(first, sequence);
    return sequence;
  }

  #isCurrent({sequence}: Vertex, record: Job): boolean {
    return (record.sequence_try ?? 1) >= (sequence?.try ?? 1) && ((record.attempt ?? 1) >= this.#attempt || record.state === 'COMPLETE');
  }

  /** The state that a real job's record gives it. */
  #stored(vertex: Vertex): StateName {
    const {record} = vertex;
    if (record === undefined) return 'PENDING';
    if (openTry(record) !== undefined) return 'RUNNING'; // Whatever else is said of it.
    if (!this.#isCurrent(vertex, record)) return 'PENDING';
    return record.state === 'RUNNING' || record.state === 'SUSPENDED' ? 'PENDING' : record.state;
  }

  /** Looks at everything anew. */
  #recompute(): void {
    this.#ready.clear();
    for (const set of [this.#pausing, this.#running, this.#failed, this.#held]) set.clear();
    this.#complete = 0;
    this.#lastRank = 0;
    for (const sequence of this.#sequences.values()) sequence.try = 0;
    for (const sequence of this.#sequences.values()) countTry(sequence);
    for (const {record} of this.#inOrder) this.#lastRank = Math.max(this.#lastRank, record?.completed ?? 0);
    for (const vertex of this.#inOrder) vertex.missing = vertex.previous.length;
    for (const vertex of this.#inOrder) {
      vertex.state = isNoop(vertex) ? (vertex.missing === 0 && !this.#isHeld(vertex) ? 'COMPLETE' : 'PENDING') : this.#stored(vertex);
      if (vertex.state !== 'COMPLETE') continue;
      this.#markComplete(vertex);
      for (const child of vertex.next) child.missing--;
    }
    for (const vertex of this.#inOrder) if (vertex.state !== 'COMPLETE') this.#enter(vertex);
  }

  /** How long a sequence waits before it begins again. */
  #waitMs(first: string): number {
    return Math.min(parseGoDuration(this.chain.sequences?.[first]?.retry_wait ?? '') ?? 0, LONGEST_WAIT_MS);
  }

  /** Files a job that is not COMPLETE under what it is now. */
  #enter(vertex: Vertex): void {
    if (vertex.state === 'RUNNING') this.#running.add(vertex);
    else if (FAILED.has(vertex.state)) this.#failed.add(vertex);
    else if (vertex.state === 'PENDING' && vertex.missing === 0) this.#makeReady(vertex);
  }

  #leave(vertex: Vertex): void {
    this.#running.delete(vertex);
    this.#failed.delete(vertex);
    this.#held.delete(vertex);
    this.#pausing.delete(vertex);
    this.#ready.get(vertex.planned.cluster)?.delete(vertex);
  }

  #makeReady(vertex: Vertex): void {
    if (this.#isHeld(vertex)) {
      this.#held.add(vertex);
      return;
    }
    const {record} = vertex;
    const pause = record === undefined || !this.#isCurrent(vertex, record) ? undefined : pauseAfter(record, vertex.planned);
    if (pause !== undefined && pause.dueMs > this.#nowMs) {
      this.#pausing.set(vertex, pause);
      return;
    }
    this.#addReady(vertex);
  }

  #addReady(vertex: Vertex): void {
    const {cluster} = vertex.planned;
    let ready = this.#ready.get(cluster);
    if (ready === undefined) this.#ready.set(cluster, (ready = new Set()));
    ready.add(vertex);
  }

  /** Whether a job is the first of a sequence that is to wait before it begins again. */
  #isHeld(vertex: Vertex): boolean {
    const {sequence} = vertex;
    return sequence?.first === vertex && sequence.dueMs > this.#nowMs;
  }

  #markComplete(vertex: Vertex): void {
    this.#complete++;
    const parents = inherited(vertex);
    if (isNoop(vertex)) {
      vertex.rank = 0;
      for (const {rank} of vertex.previous) vertex.rank = Math.max(vertex.rank, rank);
      vertex.data = parents;
      return;
    }
    vertex.rank = vertex.record?.completed ?? 0;
    this.#lastRank = Math.max(this.#lastRank, vertex.rank);
    vertex.data = vertex.record?.data === undefined ? parents : {...parents, ...vertex.record.data};
  }

  /** A job has become COMPLETE: so do the noops that waited for it alone, and so on; real jobs become ready. */
  #completeFrom(first: Vertex): void {
    const queue = [first];
    for (let vertex = queue.pop(); vertex !== undefined; vertex = queue.pop()) {
      vertex.state = 'COMPLETE';
      this.#markComplete(vertex);
      for (const child of vertex.next) {
        if (--child.missing > 0 || child.state === 'COMPLETE') continue;
        if (isNoop(child) && !this.#isHeld(child)) queue.push(child);
        else this.#enter(child);
      }
    }
  }

  #advance(nowMs: number): void {
    // Where a clock was set back, or another's was ahead of ours, nothing waits for longer than its pause, by whichever time it was reckoned.
    this.#nowMs = nowMs < this.#nowMs - CLOCK_STEP_MS ? nowMs : Math.max(this.#nowMs, nowMs);
    for (const {sequence} of this.#held) {
      if (sequence !== undefined) sequence.dueMs = Math.min(sequence.dueMs, this.#nowMs + this.#waitMs(sequence.first.id));
    }
    for (const pause of this.#pausing.values()) {
      pause.dueMs = Math.min(pause.dueMs, this.#nowMs + pause.lengthMs);
    }
    for (const vertex of [...this.#held]) {
      if (this.#isHeld(vertex)) continue;
      // Who led before had a clock that was ahead of ours: what comes after it has begun, without its data as far as we knew.
      if (vertex.next.some((next) => next.state !== 'PENDING')) return this.#recompute();
      this.#held.delete(vertex);
      if (isNoop(vertex)) this.#completeFrom(vertex);
      else this.#makeReady(vertex);
    }
    for (const [vertex, {dueMs}] of [...this.#pausing]) {
      if (dueMs > this.#nowMs) continue;
      this.#pausing.delete(vertex);
      this.#addReady(vertex);
    }
  }

  #launchable(blocked: ReadonlySet<Sequence>, slotsOf: SlotsOf): string[] {
    const launch: string[] = [];
    let room = (this.chain.concurrency ?? Number.MAX_SAFE_INTEGER) - this.#running.size;
    const used = new Map<string, number>();
    for (const {planned} of this.#running) used.set(planned.cluster, (used.get(planned.cluster) ?? 0) + planned.count);
    for (const [cluster, ready] of this.#ready) {
      let free = (slotsOf(cluster) ?? Number.MAX_SAFE_INTEGER) - (used.get(cluster) ?? 0);
      for (const vertex of ready) {
        if (room <= 0 || free <= 0) break;
        if (blocked.size > 0 && isWithinAny(vertex.sequence, blocked)) continue;
        // One that takes more than the cluster has must not wait for ever: it runs alone.
        if (vertex.planned.count > free && used.has(cluster)) continue;
        used.set(cluster, (used.get(cluster) ?? 0) + vertex.planned.count);
        free -= vertex.planned.count;
        room--;
        launch.push(vertex.id);
      }
    }
    return launch;
  }

  /** The sequence whose retry a failure is up to: the innermost around it that has one left. What had to be killed was no failure to be retried. */
  #retrying(vertex: Vertex): Sequence | undefined {
    const exit = vertex.record?.tries.at(-1)?.exit;
    if (exit !== undefined && wasKilled(exit)) return undefined;
    for (let sequence = vertex.sequence; sequence !== undefined; sequence = sequence.parent) {
      if (this.#used(sequence) < sequence.retry) return sequence;
    }
    return undefined;
  }

  #used({first, parent}: Sequence): number {
    const stored = first.record?.sequence;
    const isOfNow = stored !== undefined && stored.parent_try === (parent?.try ?? 1) && (stored.attempt ?? 1) >= this.#attempt;
    return isOfNow ? stored.used : 0;
  }

  /** Whether something runs in a sequence. */
  #isBusy(sequence: Sequence): boolean {
    for (const vertex of this.#running) if (isWithin(vertex.sequence, sequence)) return true;
    return false;
  }
}

function isNoop({planned}: Vertex): boolean {
  return planned.type === NOOP;
}

/** Counts a sequence's try from its record and from the sequence around it. */
function countTry(sequence: Sequence): number {
  if (sequence.try > 0) return sequence.try;
  const stored = sequence.first.record?.sequence;
  sequence.try = (stored?.rolled_back ?? 0) + (sequence.parent === undefined ? 1 : countTry(sequence.parent));
  const isOfNow = stored !== undefined && stored.parent_try === (sequence.parent?.try ?? 1);
  const dueMs = isOfNow && stored.retry_at !== undefined ? Date.parse(stored.retry_at) : 0;
  sequence.dueMs = Number.isNaN(dueMs) ? 0 : dueMs;
  return sequence.try;
}

function isSameSequence(a: Job | undefined, b: Job | undefined): boolean {
  const [before, after] = [a?.sequence, b?.sequence];
  if (before === after) return true;
  return (
    before?.rolled_back === after?.rolled_back &&
    before?.used === after?.used &&
    before?.attempt === after?.attempt &&
    before?.parent_try === after?.parent_try &&
    before?.retry_at === after?.retry_at
  );
}

function isWithin(inner: Sequence | undefined, outer: Sequence): boolean {
  for (let sequence = inner; sequence !== undefined; sequence = sequence.parent) if (sequence === outer) return true;
  return false;
}

function isWithinAny(inner: Sequence | undefined, outer: ReadonlySet<Sequence>): boolean {
  for (let sequence = inner; sequence !== undefined; sequence = sequence.parent) if (outer.has(sequence)) return true;
  return false;
}

/** The parents' data in the order of their completion: who completed last has the last word on a key. */
function inherited({previous}: Vertex): JobData {
  const done = previous.filter(({state, data}) => state === 'COMPLETE' && data !== NO_DATA);
  if (done.length === 0) return NO_DATA;
  if (done.length === 1) return (done[0] as Vertex).data;
  done.sort((a, b) => a.rank - b.rank || a.position - b.position);
  const [first] = done as [Vertex];
  if (done.every(({data}) => data === first.data)) return first.data;
  // One object for all: thousands of jobs may meet here. Without a prototype, so that no key means anything.
  const all = Object.create(null) as Record<string, unknown>;
  for (const {data} of done) Object.assign(all, data);
  return all;
}

/** The pause before a job that has ended may be tried again. */
function pauseAfter(record: Job, planned: PlannedJob): Pause | undefined {
  const exit = record.tries.at(-1)?.exit;
  if (exit === undefined || record.failures === 0 || wasStopped(exit)) return undefined;
  const endedMs = Date.parse(exit.ended_at);
  const lengthMs = retryPauseMs(planned, record.failures);
  return Number.isNaN(endedMs) ? undefined : {dueMs: endedMs + lengthMs, lengthMs};
}

/** Each after its predecessors, otherwise in the order given; positions are set. @throws ControlPlaneError `invalid`: there is a cycle */
function inOrder(vertices: readonly Vertex[]): Vertex[] {
  const missing = new Map(vertices.map((vertex) => [vertex, vertex.previous.length]));
  const order = vertices.filter(({previous}) => previous.length === 0);
  for (let at = 0; at < order.length; at++) {
    const vertex = order[at] as Vertex;
    vertex.position = at;
    for (const child of vertex.next) {
      const left = (missing.get(child) as number) - 1;
      missing.set(child, left);
      if (left === 0) order.push(child);
    }
  }
  if (order.length < vertices.length) throw new ControlPlaneError('invalid', 'the jobs of the chain wait for each other in a circle');
  return order;
}
