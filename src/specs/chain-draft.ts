import {assert} from '../lib/assert.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob, PlannedSequence} from '../schema/chain.ts';
import type {JobType} from '../schema/job-type.ts';
import {addVertex, connect, emptyGraph, graphProblem, insertBetween} from './graph.ts';
import type {Part} from './graph.ts';
import type {JobIds} from './job-ids.ts';

/** A chain that is being built: its jobs, their order, the sequences they are in. Bounded. */
export class ChainDraft {
  readonly #ids: JobIds;
  readonly #maxJobs: number;
  readonly #graph = emptyGraph();
  readonly #jobs = new Map<string, PlannedJob>();
  readonly #sequences = new Map<string, PlannedSequence>();
  readonly #types = new Map<string, JobType>();

  constructor(ids: JobIds, maxJobs: number) {
    this.#ids = ids;
    this.#maxJobs = maxJobs;
  }

  /** An id for one more job. @throws ControlPlaneError `too_large` */
  nextId(name: string, instance?: number): string {
    this.expect(1);
    return this.#ids.next(name, instance);
  }

  /** Refuses early what will add at least that many jobs, and would be too many. @throws ControlPlaneError `too_large` */
  expect(more: number): void {
    if (this.#jobs.size + more > this.#maxJobs) throw new ControlPlaneError('too_large', `the chain would have more than ${this.#maxJobs} jobs`);
  }

  add(id: string, job: PlannedJob): Part {
    assert(!this.#jobs.has(id), 'each job has an id of its own');
    addVertex(this.#graph, id);
    const {name, ...nameless} = job;
    this.#jobs.set(id, name === id ? nameless : job);
    return {first: id, last: id};
  }

  /** Adds `[name]_begin` and `[name]_end`, one after the other, to a sequence; without one, they begin and end their own. */
  addPair(name: string, sequence?: string): Part {
    const first = this.nextId(`${name}_begin`);
    const {last} = this.#addNoop(first, `${name}_begin`, sequence ?? first);
    const end = this.nextId(`${name}_end`);
    this.#addNoop(end, `${name}_end`, sequence ?? first);
    connect(this.#graph, last, end);
    return {first, last: end};
  }

  insert(from: string, part: Part, to: string): void {
    insertBetween(this.#graph, from, part, to);
  }

  setSequence(first: string, sequence: PlannedSequence): void {
    this.#sequences.set(first, sequence);
  }

  setType(name: string, type: JobType): void {
    this.#types.set(name, type);
  }

  /** The chain, once everything is in it. @throws ControlPlaneError `internal`: it is none, by a mistake of ours */
  finish(limits: Pick<Chain, 'timeout' | 'concurrency'>): Chain {
    const problem = graphProblem(this.#graph);
    if (problem !== undefined) throw new ControlPlaneError('internal', `the chain that was built is wrong: ${problem}`);
    return {
      jobs: Object.fromEntries(this.#jobs),
      adjacency: Object.fromEntries(Array.from(this.#graph.next, ([id, successors]) => [id, [...successors]])),
      sequences: Object.fromEntries(this.#sequences),
      ...(this.#types.size === 0 ? {} : {types: Object.fromEntries(this.#types)}),
      ...(limits.timeout === undefined ? {} : {timeout: limits.timeout}),
      ...(limits.concurrency === undefined ? {} : {concurrency: limits.concurrency}),
    };
  }

  #addNoop(id: string, name: string, sequence: string): Part {
    return this.add(id, {name, type: NOOP, cluster: '', count: 1, retry: 0, sequence});
  }
}
