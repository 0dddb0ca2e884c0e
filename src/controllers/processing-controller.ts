import type {Clock} from '../lib/clock.ts';
import {hasCode, isRetryable, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {ownTurn} from '../lib/turn.ts';
import type {BlockWrite} from '../model/block-write.ts';
import {DependencyCircles} from '../model/dependency-circles.ts';
import {awaitedBy} from '../model/pb-dependencies.ts';
import type {BlockLookups} from '../model/pb-facts.ts';
import {removalOfEbState} from '../model/pb-leftovers.ts';
import {failureOf, planPb} from '../model/pb-plan.ts';
import type {PbStep} from '../model/pb-plan.ts';
import {removalOfOrphan} from '../model/script-deployment.ts';
import {clusterKey} from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import type {Cache, Change} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import {BlockIndex} from './block-index.ts';
import type {LoneController} from './controller.ts';
import {Patience} from './patience.ts';
import {WorkQueue} from './work-queue.ts';

export interface ProcessingDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Log;
  /** Transactions in flight at once. */
  readonly concurrency: number;
  /** How long what may mend itself is waited for. */
  readonly graceMs: number;
  /** Where scripts run that name no cluster. */
  readonly defaultCluster: string;
}

/** How often everything is looked at although no change called for it. */
const RESYNC_MS = 60_000;
/** Objects taken in or queued in one go. */
const SLICE = 500;

/** What is looked at: a processing block, a deployment that may be without one, the state of an execution block. */
type Kind = 'pb' | 'deploy' | 'eb';

/**
 * Starts the scripts of processing blocks, releases the blocks when their dependencies are done, and ends what cannot go on.
 *
 * It looks at a block when something changed that the block depends on, found through indexes. Every write compares what it was decided on.
 */
export class ProcessingController implements LoneController {
  readonly name = 'processing';
  readonly inputs: readonly KeyRef['kind'][] = [
    ...(['pb', 'pb-state', 'pb-admission', 'pb-owner', 'eb', 'eb-state', 'script', 'deploy', 'deploy-state', 'cluster'] as const),
  ];
  readonly outputs = ['/pb/[id]/state besides the script that owns it', '/deploy/proc-[block]-script', 'and it removes what is left of blocks'];
  readonly #deps: ProcessingDeps;

  constructor(deps: ProcessingDeps) {
    this.#deps = deps;
  }

  async run(writer: FencedWriter, signal: AbortSignal): Promise<void> {
    await new Leadership(this.#deps, writer, signal).untilStopped();
  }
}

/** One leadership: what the leader has indexed, and what it has to look at. */
class Leadership {
  readonly #deps: ProcessingDeps;
  readonly #writer: FencedWriter;
  readonly #signal: AbortSignal;
  readonly #queue = new WorkQueue();
  readonly #index: BlockIndex;
  readonly #circles: DependencyCircles;
  readonly #patience: Patience;
  readonly #look: BlockLookups;
  /** Blocks that wait for the repair of a script's or cluster's key. */
  readonly #stuck = new Set<string>();
  #relisted = new AbortController();

  constructor(deps: ProcessingDeps, writer: FencedWriter, signal: AbortSignal) {
    const {cache} = deps;
    this.#deps = deps;
    this.#writer = writer;
    this.#signal = signal;
    const index = new BlockIndex(cache);
    const circles = new DependencyCircles({
      dependenciesOf: (id) => awaitedBy(cache.pbs.get(id)),
      hasDependents: (id) => index.dependentsOf(id).size > 0,
    });
    this.#index = index;
    this.#circles = circles;
    this.#patience = new Patience(deps.clock, deps.graceMs);
    this.#look = {
      pb: (id) => cache.pbs.get(id),
      eb: (id) => cache.ebs.get(id),
      script: (id) => cache.scripts.get(id),
      deployment: (id) => cache.deployments.get(id),
      deploymentsOf: (id) => index.deploymentsOf(id),
      cluster: (name) => (cache.clusters.has(name) ? 'there' : cache.bad.has(clusterKey(name)) ? 'damaged' : 'absent'),
      circleOf: (id) => circles.circleOf(id),
    };
  }

  async untilStopped(): Promise<void> {
    this.#deps.cache.onChange((changes) => this.#note(changes), this.#signal);
    await this.#takeAll();
    await Promise.all([this.#queue.forEach(this.#deps.concurrency, this.#signal, (item) => this.#work(item)), this.#resync()]);
  }

  // What is to be looked at

  #note(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'relist') this.#relisted.abort();
      else this.#noteKey(change.ref);
    }
  }

  #noteKey(ref: KeyRef): void {
    switch (ref.kind) {
      case 'pb':
      case 'pb-state':
        this.#takePb(ref.id);
        this.#add('pb', ref.id);
        return;
      case 'pb-admission':
      case 'pb-owner':
        this.#add('pb', ref.id);
        return;
      case 'eb':
      case 'eb-state':
        for (const id of this.#index.realtimeOf(ref.id)) this.#add('pb', id);
        this.#add('eb', ref.id);
        return;
      case 'deploy':
        this.#add('deploy', ref.id);
        for (const id of this.#index.takeDeployment(ref.id)) this.#addPresent(id);
        return;
      case 'deploy-state':
        for (const id of this.#index.takeDeployment(ref.id)) this.#addPresent(id);
        return;
      case 'script':
      case 'cluster':
        for (const id of this.#stuck) this.#add('pb', id);
        this.#stuck.clear();
        return;
      default:
    }
  }

  #takePb(id: string): void {
    const {isOther, hasOutcomeChanged, waitsAgain} = this.#index.takePb(id);
    if (waitsAgain) this.#circles.changed(id);
    if (!isOther && !hasOutcomeChanged) return;
    this.#circles.changed(id);
    for (const dependent of this.#index.dependentsOf(id)) this.#add('pb', dependent);
    if (this.#deps.cache.pbs.get(id)?.spec === undefined) for (const deployment of this.#index.deploymentsOf(id)) this.#add('deploy', deployment);
  }

  #add(kind: Kind, id: string): void {
    this.#queue.add(`${kind}/${id}`);
  }

  /** A name with dashes may speak of many blocks, few of which there are. */
  #addPresent(id: string): void {
    if (this.#deps.cache.pbs.get(id) !== undefined) this.#add('pb', id);
  }

  /** Looks at everything now and then, and after the cache has listed anew: what it missed then, nothing tells. */
  async #resync(): Promise<void> {
    while (!this.#signal.aborted) {
      await this.#addAll();
      await sleep(RESYNC_MS, AbortSignal.any([this.#signal, this.#relisted.signal]));
      if (this.#relisted.signal.aborted) this.#relisted = new AbortController();
      await this.#takeAll();
    }
  }

  /** Brings the indexes up to date. Changes that come meanwhile are noted as ever. */
  async #takeAll(): Promise<void> {
    const {cache} = this.#deps;
    await this.#inSlices(this.#index.known(), ({kind, id}) => (kind === 'pb' ? this.#takePb(id) : this.#index.takeDeployment(id)));
    await this.#inSlices(cache.pbs, ({id}) => this.#takePb(id));
    await this.#inSlices(cache.deployments, ({id}) => this.#index.takeDeployment(id));
  }

  async #addAll(): Promise<void> {
    const {cache} = this.#deps;
    await this.#inSlices(cache.pbs, ({id}) => this.#add('pb', id));
    await this.#inSlices(cache.deployments, ({id}) => this.#add('deploy', id));
    await this.#inSlices(cache.ebs, ({id, state, bad}) => (state === undefined && bad === undefined ? undefined : this.#add('eb', id)));
  }

  async #inSlices<T>(all: Iterable<T>, take: (each: T) => unknown): Promise<void> {
    let count = 0;
    for (const each of all) {
      if (this.#signal.aborted) return;
      take(each);
      if (++count % SLICE === 0) await ownTurn();
    }
  }

  // One look

  /** Never rejects: what goes wrong with one object is its own. */
  async #work(item: string): Promise<void> {
    const {cache, log} = this.#deps;
    try {
      const step = this.#plan(item);
      if (step.kind !== 'later') this.#patience.forget(item);
      if (step.kind === 'damaged') this.#stuck.add(item.slice('pb/'.length));
      if (step.kind === 'later') {
        const leftMs = this.#patience.left(item, step.why);
        if (leftMs > 0) return this.#queue.addAfter(item, leftMs);
      }
      if (step.kind === 'write' || step.kind === 'later') await this.#write(item, step.write);
      this.#queue.forget(item);
    } catch (err) {
      if (this.#signal.aborted || hasCode(err, 'not_owner')) return;
      if (hasCode(err, 'revision_conflict')) {
        // Somebody wrote first: look again, once the cache shows it.
        await cache.catchUp(this.#signal).then(
          () => this.#queue.add(item),
          () => this.#queue.addWithBackoff(item),
        );
        return;
      }
      log[isRetryable(err) ? 'warn' : 'error']({err, item}, 'could not take a block further');
      if (hasCode(err, 'too_large')) await this.#fail(item, reasonOf(err));
      this.#queue.addWithBackoff(item);
    }
  }

  /** Nothing waits for ever: what no retry can mend ends with its reason. */
  async #fail(item: string, reason: string): Promise<void> {
    const {clock, log} = this.#deps;
    const write = item.startsWith('pb/') ? failureOf(item.slice('pb/'.length), reason, this.#look, clock.now()) : undefined;
    if (write === undefined) return;
    await this.#write(item, write).catch((err: unknown) => log.warn({err, item}, 'could not fail a block; trying again'));
  }

  #plan(item: string): PbStep {
    const {cache, clock, defaultCluster} = this.#deps;
    const [kind, id = ''] = item.split('/', 2);
    if (kind === 'pb') return planPb(id, this.#look, {defaultCluster, nowMs: clock.now()});
    const deployment = kind === 'deploy' ? cache.deployments.get(id) : undefined;
    const eb = kind === 'eb' ? cache.ebs.get(id) : undefined;
    const write = deployment ? removalOfOrphan(deployment, this.#look) : eb ? removalOfEbState(eb) : undefined;
    return write === undefined ? {kind: 'none'} : {kind: 'write', write};
  }

  async #write(item: string, {what, reason, compares, ops}: BlockWrite): Promise<void> {
    const revision = await this.#writer.commit(compares, ops);
    this.#deps.log.info({item, ...(reason === undefined ? {} : {reason})}, what);
    // What is decided next about it must rest on this. The change itself brings it up again.
    await this.#deps.cache.waitFor(revision, 10_000);
  }
}
