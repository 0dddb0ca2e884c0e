import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {KubernetesClusterSettings} from '../../schema/kubernetes-cluster.ts';
import type {JobRef, JobSpec} from '../engine.ts';
import {nameOfRef} from '../job-checks.ts';
import {compareFences} from '../process/run-directory.ts';
import type {ForgottenScans} from './forgotten-scans.ts';
import type {JobApi} from './job-api.ts';
import {buildClosedJob, buildJob, buildSecret} from './job-manifest.ts';
import type {Capabilities, JobObjects} from './job-manifest.ts';
import {fenceText, readJobRecord} from './job-record.ts';
import type {JobRecord, RecordState} from './job-record.ts';
import {ANNOTATIONS, recordName} from './names.ts';
import type {ApiJob, ApiObject} from './objects.ts';

export interface TryClaimsOptions {
  readonly api: JobApi;
  readonly forgotten: ForgottenScans;
  readonly clusterId: string;
  readonly settings: KubernetesClusterSettings;
  readonly capabilities: () => Promise<Capabilities>;
}

const ATTEMPTS = 8;

/**
 * Decides once for each try whether it is launched or closed.
 *
 * A Job with the try's name is created with parallelism 0 (`prepared`), its Secret under it, and then one patch that names the Job's version sets state
 * and parallelism: that is the launch. Whoever dies before it leaves a Job that never runs, which the next owner closes; its Secret goes with it.
 * So no pod ever waits for a Secret, no Secret is ever without its Job, and a close that comes before the launch is sure that nothing ran.
 */
export class TryClaims {
  readonly #options: TryClaimsOptions;

  constructor(options: TryClaimsOptions) {
    this.#options = options;
  }

  /** @returns the Job: launched by us or before, or closed; `undefined`: closed without one, or the scan was forgotten under this fence or a newer one */
  async launch(spec: JobSpec): Promise<JobRecord | undefined> {
    const {capabilities, settings} = this.#options;
    const objects = buildJob(spec, settings, await capabilities());
    const {ref, fence, count} = spec;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const job = await this.#createOrFind(objects.job, ref);
      if (job === undefined) continue;
      const raised = await this.#raiseFence(job, fence);
      if (raised === undefined) continue;
      if (raised.state !== 'prepared') return raised;
      const [, isTooLate] = await Promise.all([this.#createSecret(objects, ref, raised), this.#options.forgotten.refuses(ref, fence)]);
      if (isTooLate) {
        await this.remove(raised);
        return undefined;
      }
      const launched = await this.#decide(raised, 'launched', fence, count);
      if (launched !== undefined) return launched;
    }
    throw new ControlPlaneError('unavailable', `the Job of ${nameOfRef(ref)} changes all the time`);
  }

  /**
   * Makes sure that what has not been launched never is. Without a fence (a stop) none is compared.
   *
   * @returns the Job: launched before, or closed; `undefined`: closed without one
   */
  async close(ref: JobRef, fence?: FenceToken): Promise<JobRecord | undefined> {
    const {clusterId} = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.#createOrFind(buildClosedJob(clusterId, ref, fence ?? {epoch: 0, revision: 0}), ref).catch(async (err: unknown) => {
        if (!hasCode(err, 'unavailable')) throw err;
        return this.#closeWithoutJob(ref);
      });
      if (found === 'closed') return undefined;
      if (found === undefined) continue;
      const raised = fence === undefined ? found : await this.#raiseFence(found, fence);
      if (raised === undefined) continue;
      if (raised.state !== 'prepared') return raised;
      const closed = await this.#decide(raised, 'closed', raised.fence, 0);
      if (closed !== undefined) return closed;
    }
    throw new ControlPlaneError('unavailable', `the Job of ${nameOfRef(ref)} changes all the time`);
  }

  /**
   * Where no Job can be created, since a quota is used up, say: what is to be ended must not wait for what it would have waited for. Whoever launches
   * creates its Job before it looks for this, and we look for the Job after it is written: one of us sees the other.
   */
  async #closeWithoutJob(ref: JobRef): Promise<JobRecord | 'closed'> {
    const {api, clusterId, forgotten} = this.#options;
    await forgotten.close(ref);
    const found = await api.find<ApiJob>('jobs', recordName(clusterId, ref));
    return found === undefined ? 'closed' : this.#checked(found, ref);
  }

  /** Removes a Job that nothing runs of, with all that belongs to it: first it is asked to go, then let go of. Its pods must have been let go of. */
  async remove(job: JobRecord): Promise<void> {
    const {api} = this.#options;
    await api.delete('jobs', job.name, job.uid);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await api.job(job.name);
      if (found === undefined || found.uid !== job.uid || (await api.release('jobs', found))) return;
    }
    throw new ControlPlaneError('unavailable', `the Job ${job.name} changes all the time`);
  }

  /** `undefined`: it was there and is gone; look again. @throws ControlPlaneError `invalid`: the name belongs to somebody else */
  async #createOrFind(object: unknown, ref: JobRef): Promise<JobRecord | undefined> {
    const {api, clusterId} = this.#options;
    const name = recordName(clusterId, ref);
    let found: ApiJob | undefined;
    try {
      found = await api.create<ApiJob>('jobs', object);
    } catch (err) {
      if (!hasCode(err, 'already_exists')) throw err;
      found = await api.find<ApiJob>('jobs', name);
      if (found === undefined) return undefined;
    }
    return this.#checked(found, ref);
  }

  /** @throws ControlPlaneError `invalid`: the name belongs to somebody else */
  #checked(found: ApiJob, ref: JobRef): JobRecord {
    const {clusterId} = this.#options;
    const job = readJobRecord(found);
    const isOurs = job?.clusterId === clusterId && job.ref.scanId === ref.scanId && job.ref.job === ref.job && job.ref.try === ref.try;
    // Reported, never touched. Only an operator can tell who else makes Jobs of such names here.
    if (!isOurs)
      throw new ControlPlaneError('invalid', `the Job ${found.metadata.name}, which would be that of ${nameOfRef(ref)}, belongs to somebody else`);
    return job;
  }

  /** @returns the Job under the newer fence; `undefined`: somebody changed it first. @throws ControlPlaneError `not_owner` */
  async #raiseFence(job: JobRecord, fence: FenceToken): Promise<JobRecord | undefined> {
    const order = compareFences(fence, job.fence);
    if (order < 0) throw new ControlPlaneError('not_owner', `a newer owner has asked for ${nameOfRef(job.ref)}`);
    return order === 0 ? job : this.#patch(job, {[ANNOTATIONS.fence]: fenceText(fence)}, {});
  }

  #decide(job: JobRecord, state: RecordState, fence: FenceToken, parallelism: number): Promise<JobRecord | undefined> {
    return this.#patch(job, {[ANNOTATIONS.state]: state, [ANNOTATIONS.fence]: fenceText(fence)}, {parallelism});
  }

  async #patch({name, resourceVersion}: JobRecord, annotations: Readonly<Record<string, string>>, spec: unknown): Promise<JobRecord | undefined> {
    try {
      const patched = await this.#options.api.patch<ApiJob>('jobs', name, {metadata: {annotations, resourceVersion}, spec});
      return patched === undefined ? undefined : readJobRecord(patched);
    } catch (err) {
      if (hasCode(err, 'revision_conflict')) return undefined;
      throw err;
    }
  }

  /** Under the Job; one that an earlier Job of this name left is replaced, should the server not have removed it yet. */
  async #createSecret({secret}: JobObjects, ref: JobRef, job: JobRecord): Promise<void> {
    if (secret === undefined) return;
    const {api, clusterId} = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        await api.create('secrets', buildSecret(secret, clusterId, ref, job.uid));
        return;
      } catch (err) {
        if (!hasCode(err, 'already_exists')) throw err;
      }
      const found = await api.find<ApiObject>('secrets', secret.name);
      if (found === undefined) continue;
      if (found.metadata.ownerReferences?.some(({uid}) => uid === job.uid) === true) return;
      await api.delete('secrets', secret.name, found.metadata.uid ?? '');
    }
    throw new ControlPlaneError('unavailable', `the Secret of ${nameOfRef(ref)} is in use`);
  }
}
