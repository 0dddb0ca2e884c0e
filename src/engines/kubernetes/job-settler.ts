import {rfc3339} from '../../lib/clock.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import type {JobApi} from './job-api.ts';
import {jobOutcome} from './job-outcome.ts';
import type {JobOutcome} from './job-outcome.ts';
import {readJobRecord} from './job-record.ts';
import type {JobRecord} from './job-record.ts';
import {ANNOTATIONS, LABELS} from './names.ts';
import type {ApiJob} from './objects.ts';
import type {PodFacts} from './pod-facts.ts';
import type {PodLogs} from './pod-logs.ts';

export interface JobSettlerOptions {
  readonly api: JobApi;
  readonly logs: PodLogs;
  /** How long images and start-ups that fail may be tried again. */
  readonly patienceMs: number;
  /** After how long the pods of a Job whose exit is recorded may go. */
  readonly ttlSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A try as watches show it. */
export interface SeenTry {
  readonly job: JobRecord;
  readonly pods: readonly PodFacts[];
}

/** Writers of one Job are few: its owner, another replica's watch, the Job controller. */
const ATTEMPTS = 8;

/**
 * Takes launched tries to their ends: has pods ended that are not to run any more, records the exit in the Job for good, lets go of the pods.
 *
 * Any replica may do each step at any time, and die after it: the Job's resource version decides who did.
 */
export class JobSettler {
  readonly #options: JobSettlerOptions;
  readonly #underWay = new Map<string, Promise<JobRecord | undefined>>();

  constructor(options: JobSettlerOptions) {
    this.#options = options;
  }

  /** What is to be thought of a launched try, by what was seen of it. */
  judge(job: JobRecord, pods: readonly PodFacts[]): JobOutcome {
    return jobOutcome(job, pods, this.#options.clock.now(), this.#options.patienceMs);
  }

  /**
   * Does what is due for a launched try, by what the server has now; by what was `seen` of it, where that leaves no doubt. Who asks while it is under way
   * gets that answer.
   *
   * @returns the Job as it is then; `undefined`: it is gone
   */
  settle(name: string, seen?: SeenTry): Promise<JobRecord | undefined> {
    const underWay = this.#underWay.get(name);
    if (underWay !== undefined) return underWay;
    const work = this.#settle(name, seen).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, work);
    return work;
  }

  async #settle(name: string, seen: SeenTry | undefined): Promise<JobRecord | undefined> {
    const {api, log} = this.#options;
    if (seen !== undefined && this.#isDone(seen)) return this.#recordDone(seen);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // The Job first: pods that it does not know of yet may come after it was read, and then its version has changed.
      const job = await api.job(name);
      if (job?.state !== 'launched') return job;
      const pods = await api.pods(podsOf(name));
      if (job.exit !== undefined) {
        await this.#releasePods(pods);
        return job;
      }
      const outcome = this.judge(job, pods);
      if (job.isDeleting && job.end !== undefined) await this.#deletePods(pods);
      if (outcome.kind === 'running') return job;
      const next = outcome.kind === 'end' ? await this.end(job, pods, outcome.reason) : await this.#record(job, pods, outcome);
      if (next === undefined) continue;
      if (next.exit !== undefined) {
        log.info({job: name, scanId: job.ref.scanId, code: next.exit.code, reason: next.exit.reason}, 'a Kubernetes Job has ended');
        await this.#releasePods(pods);
        return next;
      }
      if (next.isDeleting) await this.#deletePods(pods);
    }
    throw new ControlPlaneError('unavailable', `the Job ${name} changes all the time`);
  }

  /** Whether there is no doubt that it has done well: all its pods have, none was told to go, and so the Job controller makes no other. What has ended stays so. */
  #isDone({job, pods}: SeenTry): boolean {
    if (job.state !== 'launched' || job.exit !== undefined || job.end !== undefined || job.isDeleting) return false;
    if (pods.length !== job.count || pods.some(({deletesMs}) => deletesMs !== undefined)) return false;
    const outcome = this.judge(job, pods);
    return outcome.kind === 'exited' && outcome.exit.code === 0;
  }

  /** Records that by what was seen. Where the Job has changed since, the watch is about to tell, and it is looked at again then; the sweeper comes by if not. */
  async #recordDone({job, pods}: SeenTry): Promise<JobRecord> {
    const outcome = this.judge(job, pods);
    const recorded = outcome.kind === 'exited' ? await this.#record(job, pods, outcome) : undefined;
    if (recorded?.exit === undefined) return job;
    this.#options.log.info({job: job.name, scanId: job.ref.scanId, code: 0, reason: recorded.exit.reason}, 'a Kubernetes Job has ended');
    await this.#releasePods(pods);
    return recorded;
  }

  /**
   * Has the pods of a launched try ended: with parallelism 0 the Job controller deletes them, with their grace, and makes no more. It does so whatever
   * becomes of us.
   *
   * @returns the Job as it is then; `undefined`: somebody changed it first
   */
  async end(job: JobRecord, pods: readonly PodFacts[], reason: string): Promise<JobRecord | undefined> {
    const {logs, clock} = this.#options;
    await Promise.all(pods.map((pod) => logs.follow(pod, job.outputLimitBytes)));
    const annotations = {[ANNOTATIONS.end]: JSON.stringify({reason, at: rfc3339(clock.now())})};
    return this.#patch(job, {annotations}, {parallelism: 0});
  }

  /** Writes the exit down. What was no success is made one that the server calls finished, so that its TTL counts; a server without one drops the field. */
  async #record(job: JobRecord, pods: readonly PodFacts[], {exit}: JobOutcome & {readonly kind: 'exited'}): Promise<JobRecord | undefined> {
    const isFinishing = job.finished === undefined && (exit.code !== 0 || exit.reason !== undefined);
    // A Job controller that does not know yet that they have ended deletes them then, and with them their logs.
    if (isFinishing) await Promise.all(pods.map((pod) => this.#options.logs.follow(pod, job.outputLimitBytes)));
    const spec = {
      ...(isFinishing ? {parallelism: 0, activeDeadlineSeconds: 1} : {}),
      ttlSecondsAfterFinished: this.#options.ttlSeconds,
    };
    return this.#patch(job, {annotations: {[ANNOTATIONS.exit]: JSON.stringify(exit)}}, spec);
  }

  async #patch(
    {name, resourceVersion}: JobRecord,
    metadata: Readonly<Record<string, unknown>>,
    spec: Readonly<Record<string, unknown>>,
  ): Promise<JobRecord | undefined> {
    try {
      const patched = await this.#options.api.patch<ApiJob>('jobs', name, {metadata: {...metadata, resourceVersion}, spec});
      return patched === undefined ? undefined : readJobRecord(patched);
    } catch (err) {
      if (hasCode(err, 'revision_conflict')) return undefined;
      throw err;
    }
  }

  /** Nobody else deletes the pods of a Job that is being deleted while it is kept for us. */
  async #deletePods(pods: readonly PodFacts[]): Promise<void> {
    await Promise.all(pods.filter(({deletesMs}) => deletesMs === undefined).map((pod) => this.#options.api.delete('pods', pod.name, pod.uid)));
  }

  async #releasePods(pods: readonly PodFacts[]): Promise<void> {
    await Promise.all(pods.map((pod) => this.#options.api.release('pods', pod)));
  }
}

/** Selects the pods of one Job. */
export function podsOf(record: string): string {
  return `${LABELS.record}=${record}`;
}
