import type {Clock} from '../../lib/clock.ts';
import type {Log} from '../../lib/log.ts';
import type {JobRef} from '../engine.ts';
import type {ApiClient} from './api-client.ts';
import {INFORMER_TIMES, Informer} from './informer.ts';
import type {InformerTimes} from './informer.ts';
import type {JobApi} from './job-api.ts';
import {readJobRecord} from './job-record.ts';
import type {JobRecord} from './job-record.ts';
import type {ApiJob, ApiPod} from './objects.ts';
import {readPodFacts} from './pod-facts.ts';
import type {PodFacts} from './pod-facts.ts';

export interface RecordWatchOptions {
  readonly client: ApiClient;
  readonly api: JobApi;
  readonly labelSelector: string;
  /** Something about a record, or a pod of it, has changed. */
  readonly onChange: (record: string, ref: JobRef | undefined, pod?: PodFacts) => void;
  readonly times?: InformerTimes;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a watch may take to show what a server has answered. */
const TOLD_MS = 30_000;

/** Versions are numbers where they come from etcd. Of others nobody can tell: then what the watch shows counts. */
function isOlder(seen: JobRecord, told: JobRecord): boolean {
  return Number(seen.resourceVersion) < Number(told.resourceVersion);
}

/** Our Jobs and their pods, as two watches show them. */
export class RecordWatch {
  readonly #jobs: Informer<ApiJob, JobRecord>;
  readonly #pods: Informer<ApiPod, PodFacts>;
  /** Names of pods by record. */
  readonly #podNames = new Map<string, Set<string>>();

  /** Records as a server answered, until the watch shows them as new. By name. */
  readonly #told = new Map<string, {readonly record: JobRecord; readonly untilMs: number}>();
  readonly #clock: Clock;

  constructor({client, api, onChange, times = INFORMER_TIMES, ...common}: RecordWatchOptions) {
    this.#clock = common.clock;
    this.#jobs = new Informer<ApiJob, JobRecord>({
      ...{...common, client, times, path: () => api.path('jobs'), read: readJobRecord},
      onChange: (job, isGone) => {
        if (isGone) this.#told.delete(job.name);
        onChange(job.name, job.ref);
      },
    });
    this.#pods = new Informer<ApiPod, PodFacts>({
      ...{...common, client, times, path: () => api.path('pods'), read: readPodFacts},
      onChange: (pod, isGone) => {
        this.#index(pod, isGone);
        onChange(pod.record, pod.ref, pod);
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#jobs.run(signal), this.#pods.run(signal)]);
  }

  get isFresh(): boolean {
    return this.#jobs.isFresh && this.#pods.isFresh;
  }

  /** The newest that is known of it: what the watch shows, or what a server has answered since. */
  job(record: string): JobRecord | undefined {
    const seen = this.#jobs.get(record);
    const told = this.#told.get(record);
    if (told === undefined) return seen;
    if (told.untilMs > this.#clock.monotonicMs() && (seen === undefined || (seen.uid === told.record.uid && isOlder(seen, told.record))))
      return told.record;
    this.#told.delete(record);
    return seen;
  }

  /** Takes in what a server answered just now. */
  tell(record: JobRecord): void {
    this.#told.set(record.name, {record, untilMs: this.#clock.monotonicMs() + TOLD_MS});
    for (const [name, {untilMs}] of this.#told) {
      if (untilMs > this.#clock.monotonicMs()) break; // Those after it came later.
      this.#told.delete(name);
    }
  }

  jobs(): Iterable<JobRecord> {
    return this.#jobs.values();
  }

  pods(record: string): PodFacts[] {
    return [...(this.#podNames.get(record) ?? [])].map((name) => this.#pods.get(name)).filter((pod) => pod !== undefined);
  }

  allPods(): Iterable<PodFacts> {
    return this.#pods.values();
  }

  #index({name, record}: PodFacts, isGone: boolean): void {
    const names = this.#podNames.get(record) ?? new Set();
    if (isGone) names.delete(name);
    else names.add(name);
    if (names.size === 0) this.#podNames.delete(record);
    else this.#podNames.set(record, names);
  }
}
