import {ControlPlaneError} from '../lib/errors.ts';
import {ownTurn} from '../lib/turn.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob} from '../schema/chain.ts';
import {ArgsBudget} from './args-budget.ts';
import {ChainDraft} from './chain-draft.ts';
import {calledBy, expand, WrongValue} from './expand.ts';
import {formatFinding, quoted} from './finding.ts';
import type {Part} from './graph.ts';
import type {JobIds} from './job-ids.ts';
import type {JobMaker, MadeJob} from './job-maker.ts';
import {requestOf, resolveRequestArgs} from './request-args.ts';
import type {Args} from './request-args.ts';
import type {NodeSpec, RetrySpec, SequenceSpec, Specs} from './spec.ts';
import {topologicalOrder} from './topological-order.ts';

/** Where a chain's jobs come from. `defaultCluster` is where those run whose type names no other. */
export interface BuildOptions {
  readonly requestId: string;
  readonly ids: JobIds;
  readonly maker: JobMaker;
  readonly defaultCluster: string;
}

/** Bounds of a chain: jobs, bytes of their arguments, sequences within sequences. */
const LIMITS = {jobs: 100_000, argBytes: 64 * 2 ** 20, depth: 500};
/** Instances of nodes that are built in one turn of the event loop: some milliseconds. */
const SLICE = 256;
const NO_RETRY: RetrySpec = {retry: 0, retryWait: '0s'};

/**
 * Builds the chain of a request: every list expanded, every condition decided, every job created.
 *
 * The same chain for the same specs, arguments and ids, if jobs are created alike: they are created one after the other, in the order of their
 * sequence's nodes. `noop` jobs are not asked for.
 *
 * @param args what the caller gave, a JSON object
 * @throws ControlPlaneError `invalid`: no such request, or it cannot be built with these arguments; names file, line, sequence and node. `too_large`:
 *   too many jobs, or too much for them. As {@link JobMaker}, with the place before the message
 * @see Spin Cycle, docs: requests, expansion, conditionals
 */
export async function buildChain(specs: Specs, type: string, args: Readonly<Record<string, unknown>>, options: BuildOptions): Promise<Chain> {
  const sequence = requestOf(specs, type);
  const {values} = resolveRequestArgs(sequence, args);
  return new ChainBuilder(specs, options).request(sequence, values);
}

/** A part of the chain, and the scope in which it was built, as it left it. */
interface Built {
  readonly part: Part;
  readonly scope: Args;
}

/** Where in the specs something is built: a sequence, the id of the first job of its instance, and how many lie around it. */
interface Within {
  readonly sequence: SequenceSpec;
  readonly first: string;
  readonly depth: number;
}

class ChainBuilder {
  readonly #specs: Specs;
  readonly #options: BuildOptions;
  readonly #draft: ChainDraft;
  readonly #budget = new ArgsBudget(LIMITS.argBytes);
  readonly #orders = new Map<SequenceSpec, readonly NodeSpec[]>();
  #instances = 0;

  constructor(specs: Specs, options: BuildOptions) {
    this.#specs = specs;
    this.#options = options;
    this.#draft = new ChainDraft(options.ids, LIMITS.jobs);
  }

  async request(sequence: SequenceSpec, args: Args): Promise<Chain> {
    await this.#call(`request_${sequence.name}`, sequence, new Map(args), NO_RETRY);
    return this.#draft.finish(sequence);
  }

  /** An instance of a sequence, with the jobs that begin and end it for whoever calls it: what is tried again as a whole. */
  async #call(name: string, sequence: SequenceSpec, scope: Map<string, unknown>, {retry, retryWait}: RetrySpec, caller?: Within): Promise<Built> {
    const part = this.#draft.addPair(name);
    this.#draft.setSequence(part.first, {
      retry,
      ...(retryWait === '' ? {} : {retry_wait: retryWait}),
      ...(caller === undefined ? {} : {parent: caller.first}),
    });
    for (const {name: arg, default: value} of [...sequence.args.optional, ...sequence.args.static]) if (!scope.has(arg)) scope.set(arg, value);
    const content = await this.#content({sequence, first: part.first, depth: (caller?.depth ?? 0) + 1}, scope);
    this.#draft.insert(part.first, content, part.last);
    return {part, scope};
  }

  /** The nodes of a sequence, each behind those it depends on. Their `sets` go into its scope. */
  async #content(within: Within, scope: Map<string, unknown>): Promise<Part> {
    const {sequence, first} = within;
    const content = this.#draft.addPair(sequence.name, first);
    const parts = new Map<string, Part>();
    for (const node of this.#orderOf(sequence)) {
      const part = await this.#located(sequence, node, () => this.#node(within, node, scope));
      parts.set(node.name, part);
      const before = node.deps.flatMap((dep) => parts.get(dep)?.last ?? []);
      for (const last of before.length === 0 ? [content.first] : before) this.#draft.insert(last, part, content.last);
    }
    return content;
  }

  #orderOf(sequence: SequenceSpec): readonly NodeSpec[] {
    let order = this.#orders.get(sequence);
    if (order === undefined) this.#orders.set(sequence, (order = topologicalOrder(sequence.nodes.values()).ordered));
    return order;
  }

  /** All instances of a node: side by side, or in batches one after the other. */
  async #node(within: Within, node: NodeSpec, scope: Map<string, unknown>): Promise<Part> {
    const {count, at} = expand(node, scope);
    this.#draft.expect(count);
    const callee = node.category === 'job' ? undefined : this.#callee(within, calledBy(node, scope));
    const isExpanded = node.each.length > 0;
    if (count === 0) return this.#draft.addPair(`noop_${node.name}`, within.first);
    let built: Built | undefined;
    const build = async (index: number): Promise<Part> => {
      if (++this.#instances % SLICE === 0) await ownTurn();
      built =
        callee === undefined
          ? await this.#job(within, node, at(index), isExpanded ? index + 1 : undefined)
          : await this.#call(`${node.category}_${node.name}`, callee, at(index), node, within);
      for (const {arg} of node.sets) if (!built.scope.has(arg)) throw new WrongValue('sets', `${calleeOf(node)} did not set ${quoted(arg)}`);
      return built.part;
    };
    const part = count === 1 ? await build(0) : await this.#batches(within, node, count, build);
    // Of several instances, the last one's values count.
    for (const {arg, as} of node.sets) scope.set(as, built?.scope.get(arg));
    return part;
  }

  async #batches({first}: Within, node: NodeSpec, count: number, build: (index: number) => Promise<Part>): Promise<Part> {
    const name = `repeat_${node.name}`;
    const all = this.#draft.addPair(name, first);
    let last = all.first;
    const size = node.parallel ?? count;
    for (let begin = 0; begin < count; begin += size) {
      const batch = this.#draft.addPair(name, first);
      for (let index = begin; index < Math.min(begin + size, count); index++) this.#draft.insert(batch.first, await build(index), batch.last);
      this.#draft.insert(last, batch, all.last);
      last = batch.last;
    }
    return all;
  }

  #callee(within: Within, name: string): SequenceSpec {
    const callee = this.#specs.sequences.get(name);
    if (callee === undefined) throw new WrongValue('type', `there is no sequence ${quoted(name)}`);
    // Sequences do not call themselves: that is checked when they are read. What is left are ladders that nobody wants to climb.
    if (within.depth >= LIMITS.depth) throw new WrongValue('type', `sequences lie within each other more than ${LIMITS.depth} deep`);
    return callee;
  }

  async #job({first}: Within, node: NodeSpec, args: Args, instance: number | undefined): Promise<Built> {
    const {name, type = ''} = node;
    const id = this.#draft.nextId(name, instance);
    const made = await this.#make(type, name, id, args);
    if (made.runs !== undefined) this.#draft.setType(type, made.runs);
    this.#budget.take(Object.fromEntries(args), made.bytes);
    const part = this.#draft.add(id, plan(node, args, made, first, this.#options.defaultCluster));
    return {part, scope: new Map(Object.entries(made.args))};
  }

  async #make(type: string, name: string, id: string, args: Args): Promise<MadeJob> {
    // An object of its own: what its creation changes in it is not what it was created with.
    const given = Object.fromEntries(args);
    return type === NOOP ? {args: given} : this.#options.maker.make({type, name, id, requestId: this.#options.requestId, args: given});
  }

  /** Adds the place to what goes wrong in a node; the innermost is named. */
  async #located<T>(sequence: SequenceSpec, node: NodeSpec, build: () => Promise<T>): Promise<T> {
    try {
      return await build();
    } catch (err) {
      if (err instanceof LocatedError) throw err;
      const {code, field, detail} = failureOf(err);
      const subject = {severity: 'error', kind: 'invalid', place: node.place, sequence: sequence.name, node: node.name} as const;
      const message = formatFinding({...subject, ...(field === undefined ? {} : {field}), message: detail});
      throw new LocatedError(code, message, {cause: err});
    }
  }
}

/** Names its place already. */
class LocatedError extends ControlPlaneError {}

function failureOf(err: unknown): {readonly code: ControlPlaneError['code']; readonly field?: string; readonly detail: string} {
  if (err instanceof WrongValue) return {code: 'invalid', field: err.field, detail: err.message};
  const {code, detail} = ControlPlaneError.from(err);
  return {code, detail};
}

function calleeOf({category, type, name}: NodeSpec): string {
  if (category === 'conditional') return `the sequence chosen by ${quoted(name)}`;
  return `${category} ${quoted(type ?? '')}`;
}

function plan(node: NodeSpec, args: Args, {runs, bytes}: MadeJob, sequence: string, defaultCluster: string): PlannedJob {
  const {name, type = '', retry, retryWait, retryBackoff, retryMaxWait, retryDeadline} = node;
  const timeout = node.timeout ?? runs?.timeout;
  return {
    name,
    type,
    cluster: type === NOOP ? '' : (runs?.cluster ?? defaultCluster),
    count: runs?.count ?? 1,
    retry,
    ...(retryWait === '' ? {} : {retry_wait: retryWait}),
    ...(retryBackoff === undefined ? {} : {retry_backoff: retryBackoff}),
    ...(retryMaxWait === undefined ? {} : {retry_max_wait: retryMaxWait}),
    ...(retryDeadline === undefined ? {} : {retry_deadline: retryDeadline}),
    ...(timeout === undefined ? {} : {timeout}),
    ...(args.size === 0 ? {} : {args: Object.fromEntries(args)}),
    ...(bytes === undefined ? {} : {bytes}),
    sequence,
  };
}
