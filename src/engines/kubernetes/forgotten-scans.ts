import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {JobRef} from '../engine.ts';
import {compareFences} from '../process/run-directory.ts';
import type {JobApi} from './job-api.ts';
import {buildForgotten} from './job-manifest.ts';
import {fenceText, parseFence, timeMs} from './job-record.ts';
import {LABELS, forgottenName, labelHash, recordName} from './names.ts';
import type {ApiConfigMap} from './objects.ts';

/** How long a forgotten scan is remembered: longer than any process pauses between its decision to launch and the launch. */
const KEPT_MS = 24 * 3600 * 1000;
const PRUNE_EVERY_MS = 3600 * 1000;
const ATTEMPTS = 8;

/**
 * Which scans were forgotten lately, and under which fence at the latest: a ConfigMap each, for launches that were decided before and come after it.
 * In the same one are the tries of a scan that were closed while no Job could be created to say so.
 */
export class ForgottenScans {
  readonly #api: JobApi;
  readonly #clusterId: string;
  readonly #clock: Clock;
  #prunedMs = -Infinity;

  constructor(api: JobApi, clusterId: string, clock: Clock) {
    this.#api = api;
    this.#clusterId = clusterId;
    this.#clock = clock;
  }

  /** Whether a launch under this fence comes too late: its scan was forgotten since it was decided, or the try was closed. */
  async refuses(ref: JobRef, fence: FenceToken): Promise<boolean> {
    const found = await this.#api.configMap(forgottenName(this.#clusterId, ref.scanId));
    const forgotten = parseFence(found?.data?.['fence']);
    return (forgotten !== undefined && compareFences(fence, forgotten) <= 0) || this.#says(found, ref);
  }

  /** Whether a try was closed here. */
  async hasClosed(ref: JobRef): Promise<boolean> {
    return this.#says(await this.#api.configMap(forgottenName(this.#clusterId, ref.scanId)), ref);
  }

  async close(ref: JobRef): Promise<void> {
    const name = forgottenName(this.#clusterId, ref.scanId);
    const data = {[this.#closedKey(ref)]: 'true'};
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if ((await this.#api.patch('configmaps', name, {data})) !== undefined) return;
      try {
        await this.#api.create('configmaps', buildForgotten(name, this.#clusterId, ref.scanId, data));
        return;
      } catch (err) {
        if (!hasCode(err, 'already_exists')) throw err;
      }
    }
    throw new ControlPlaneError('unavailable', `the ConfigMap ${name} comes and goes`);
  }

  #says(found: ApiConfigMap | undefined, ref: JobRef): boolean {
    return found?.data?.[this.#closedKey(ref)] === 'true';
  }

  #closedKey(ref: JobRef): string {
    return `closed.${recordName(this.#clusterId, ref)}`;
  }

  async remember(scanId: string, fence: FenceToken): Promise<void> {
    const name = forgottenName(this.#clusterId, scanId);
    for (;;) {
      try {
        await this.#api.create('configmaps', buildForgotten(name, this.#clusterId, scanId, {fence: fenceText(fence)}));
        return;
      } catch (err) {
        if (!hasCode(err, 'already_exists')) throw err;
      }
      const found = await this.#api.configMap(name);
      if (found === undefined) continue;
      const before = parseFence(found.data?.['fence']);
      if (before !== undefined && compareFences(before, fence) >= 0) return;
      try {
        const {resourceVersion} = found.metadata;
        await this.#api.patch('configmaps', name, {metadata: {resourceVersion}, data: {fence: fenceText(fence)}});
        return;
      } catch (err) {
        if (!hasCode(err, 'revision_conflict')) throw err;
      }
    }
  }

  /** Now and then removes what nobody can need any more. */
  async prune(): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#prunedMs < PRUNE_EVERY_MS) return;
    this.#prunedMs = nowMs;
    const selector = `${LABELS.cluster}=${labelHash(this.#clusterId)},${LABELS.forgotten}=true`;
    for (const {metadata} of await this.#api.list<ApiConfigMap>('configmaps', selector)) {
      if (this.#clock.now() - timeMs(metadata.creationTimestamp) > KEPT_MS) await this.#api.delete('configmaps', metadata.name, metadata.uid ?? '');
    }
  }
}
