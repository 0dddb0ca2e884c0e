import {rfc3339} from '../../lib/clock.ts';
import type {Clock} from '../../lib/clock.ts';
import type {Log} from '../../lib/log.ts';
import {sleep} from '../../lib/sleep.ts';
import type {JobApi} from './job-api.ts';
import type {JobSettler} from './job-settler.ts';
import {ANNOTATIONS, FINALIZER} from './names.ts';
import type {PodFacts} from './pod-facts.ts';
import type {RecordWatch} from './record-watch.ts';

export interface RecordSweeperDeps {
  readonly watch: RecordWatch;
  readonly settler: JobSettler;
  readonly api: JobApi;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often what nothing happens to is looked at. */
const SWEEP_MS = 5000;
/** The owner is told of an end at once and records it; other replicas do so if it has not by then. */
const OTHERS_AFTER_MS = 1500;
const REMINDED_AT_ONCE = 20;
/** How long a Job goes without a pod before its controller is reminded of it, again and again: by itself it tries after pauses of up to six minutes. */
const PODLESS_MS = 20_000;

/** Does what nobody may be there to do: ends of tries without an owner, waits that are too long, pods that were not let go of. */
export class RecordSweeper {
  readonly #deps: RecordSweeperDeps;
  /** Since when there has been something to do about a record, in milliseconds of the monotonic clock. */
  readonly #dueSince = new Map<string, number>();
  /** Since when a Job has had no pod, or was last reminded of that, in the same time. */
  readonly #podlessSince = new Map<string, number>();

  constructor(deps: RecordSweeperDeps) {
    this.#deps = deps;
  }

  /** Runs until `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const {watch, settler, clock} = this.#deps;
    while (!signal.aborted) {
      await sleep(SWEEP_MS * (0.75 + Math.random() / 2), signal);
      if (signal.aborted || !watch.isFresh) continue;
      const due = this.#due();
      for (const name of this.#dueSince.keys()) if (!due.has(name)) this.#dueSince.delete(name);
      for (const name of due) {
        const since = this.#dueSince.get(name);
        if (since === undefined) this.#dueSince.set(name, clock.monotonicMs());
        else if (clock.monotonicMs() - since > OTHERS_AFTER_MS) await this.#try(() => settler.settle(name));
      }
      for (const pod of this.#left()) await this.#try(() => this.#release(pod));
      for (const {name} of this.#overdue()) await this.#try(() => this.#remind('pods', name));
      for (const name of this.#podless()) await this.#try(() => this.#remind('jobs', name));
    }
  }

  #due(): Set<string> {
    const {watch, settler} = this.#deps;
    const open = [...watch.jobs()].filter(({state, exit}) => state === 'launched' && exit === undefined);
    return new Set(open.filter((job) => job.isDeleting || settler.judge(job, watch.pods(job.name)).kind !== 'running').map(({name}) => name));
  }

  /** Pods whose Job is gone, or has its exit: they wait for nothing any more. */
  #left(): PodFacts[] {
    const {watch} = this.#deps;
    return [...watch.allPods()].filter(({record, finalizers}) => {
      const job = watch.job(record);
      return finalizers.includes(FINALIZER) && (job === undefined || job.exit !== undefined);
    });
  }

  async #release(pod: PodFacts): Promise<void> {
    const {api} = this.#deps;
    const job = await api.job(pod.record);
    if (job === undefined || job.exit !== undefined) await api.release('pods', pod);
  }

  /** Pods that should have gone. Kubelets of 1.20 forget about one that was deleted while its container was being made, for up to a minute. */
  #overdue(): PodFacts[] {
    const nowMs = this.#deps.clock.now();
    const overdue = [...this.#deps.watch.allPods()].filter(({deletesMs, isRemoved}) => deletesMs !== undefined && deletesMs < nowMs && !isRemoved);
    return overdue.slice(0, REMINDED_AT_ONCE);
  }

  /** Jobs that should have pods: a quota refused them, say, and may have room by now. */
  #podless(): string[] {
    const {watch, clock} = this.#deps;
    const nowMs = clock.monotonicMs();
    const open = [...watch.jobs()].filter(
      ({state, exit, end, finished, isDeleting}) => state === 'launched' && !(exit ?? end ?? finished) && !isDeleting,
    );
    const podless = new Set(open.filter(({name}) => watch.pods(name).length === 0).map(({name}) => name));
    for (const name of this.#podlessSince.keys()) if (!podless.has(name)) this.#podlessSince.delete(name);
    const due: string[] = [];
    for (const name of podless) {
      const since = this.#podlessSince.get(name);
      if (since === undefined) this.#podlessSince.set(name, nowMs);
      if (since === undefined || nowMs - since < PODLESS_MS || due.length >= REMINDED_AT_ONCE) continue;
      this.#podlessSince.set(name, nowMs);
      due.push(name);
    }
    return due;
  }

  /** Any change of a pod has its kubelet look at it, and any change of a Job its controller. */
  async #remind(kind: 'pods' | 'jobs', name: string): Promise<void> {
    const annotations = {[ANNOTATIONS.reminded]: rfc3339(this.#deps.clock.now())};
    await this.#deps.api.patch(kind, name, {metadata: {annotations}});
  }

  async #try(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.#deps.log.warn({err}, 'could not look after Kubernetes Jobs; trying again');
    }
  }
}
