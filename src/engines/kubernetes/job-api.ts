import {hasCode} from '../../lib/errors.ts';
import type {ApiClient, ApiRequest} from './api-client.ts';
import {readJobRecord} from './job-record.ts';
import type {JobRecord} from './job-record.ts';
import {FINALIZER} from './names.ts';
import type {ApiConfigMap, ApiEvent, ApiJob, ApiList, ApiObject, ApiPod} from './objects.ts';
import {readPodFacts} from './pod-facts.ts';
import type {PodFacts} from './pod-facts.ts';

type Kind = 'jobs' | 'pods' | 'secrets' | 'configmaps' | 'events';

const PAGE = 250;

/** The calls that we make, in one namespace. @throws ControlPlaneError as ApiClient does */
export class JobApi {
  readonly #client: ApiClient;
  readonly #namespace: () => Promise<string>;

  constructor(client: ApiClient, namespace: () => Promise<string>) {
    this.#client = client;
    this.#namespace = namespace;
  }

  /** Where objects of a kind, or one of them, are. */
  async path(kind: Kind, name?: string): Promise<string> {
    const group = kind === 'jobs' ? '/apis/batch/v1' : '/api/v1';
    return `${group}/namespaces/${encodeURIComponent(await this.#namespace())}/${kind}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
  }

  async create<T extends ApiObject>(kind: Kind, object: unknown): Promise<T> {
    return this.#client.json<T>({method: 'POST', path: await this.path(kind), body: object});
  }

  /** `undefined`: there is none. */
  async find<T extends ApiObject>(kind: Kind, name: string): Promise<T | undefined> {
    return orUndefined(async () => this.#client.json<T>({method: 'GET', path: await this.path(kind, name)}));
  }

  /** Changes it by a merge patch, which names the version that it expects. `undefined`: there is none. @throws ControlPlaneError `revision_conflict` */
  async patch<T extends ApiObject>(kind: Kind, name: string, patch: unknown): Promise<T | undefined> {
    return orUndefined(async () => this.#client.json<T>({method: 'PATCH', path: await this.path(kind, name), body: patch}));
  }

  /** Has it deleted if it is still the one with this uid; what belongs to it follows. `graceSeconds`: not what it says itself. */
  async delete(kind: Kind, name: string, uid: string, graceSeconds?: number): Promise<void> {
    const grace = graceSeconds === undefined ? {} : {gracePeriodSeconds: graceSeconds};
    const body = {apiVersion: 'v1', kind: 'DeleteOptions', preconditions: {uid}, propagationPolicy: 'Background', ...grace};
    await orUndefined(async () => this.#client.text({method: 'DELETE', path: await this.path(kind, name), body})).catch((err: unknown) => {
      if (!hasCode(err, 'revision_conflict')) throw err; // Another one has its name by now.
    });
  }

  async list<T extends ApiObject>(kind: Kind, labelSelector: string): Promise<T[]> {
    const path = await this.path(kind);
    const found: T[] = [];
    let next: string | undefined;
    do {
      const query = {labelSelector, limit: String(PAGE), ...(next === undefined ? {} : {continue: next})};
      const page = await this.#client.json<ApiList<T>>({method: 'GET', path, query});
      found.push(...(page.items ?? []));
      next = page.metadata?.continue;
    } while (next !== undefined && next !== '');
    return found;
  }

  async job(name: string): Promise<JobRecord | undefined> {
    const found = await this.find<ApiJob>('jobs', name);
    return found === undefined ? undefined : readJobRecord(found);
  }

  async jobs(labelSelector: string): Promise<JobRecord[]> {
    return (await this.list<ApiJob>('jobs', labelSelector)).map(readJobRecord).filter((each) => each !== undefined);
  }

  async pods(labelSelector: string): Promise<PodFacts[]> {
    return (await this.list<ApiPod>('pods', labelSelector)).map(readPodFacts).filter((each) => each !== undefined);
  }

  /** Those that match, a page of them. */
  async events(fieldSelector: string): Promise<ApiEvent[]> {
    const query = {fieldSelector, limit: String(PAGE)};
    return [...((await this.#client.json<ApiList<ApiEvent>>({method: 'GET', path: await this.path('events'), query})).items ?? [])];
  }

  configMap(name: string): Promise<ApiConfigMap | undefined> {
    return this.find<ApiConfigMap>('configmaps', name);
  }

  /** Lets go of an object: our finalizer is removed, those of others stay. Whatever changed it meanwhile, somebody comes by again. */
  async release(
    kind: 'jobs' | 'pods',
    object: {readonly name: string; readonly resourceVersion: string; readonly finalizers: readonly string[]},
  ): Promise<boolean> {
    if (!object.finalizers.includes(FINALIZER)) return true;
    const finalizers = object.finalizers.filter((each) => each !== FINALIZER);
    try {
      await this.patch(kind, object.name, {metadata: {resourceVersion: object.resourceVersion, finalizers}});
      return true;
    } catch (err) {
      if (hasCode(err, 'revision_conflict')) return false;
      throw err;
    }
  }

  /** The log of a container as it comes; with `follow`, until it ends. */
  async log(pod: string, container: string, follow: boolean, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const query = {container, ...(follow ? {follow: 'true'} : {})};
    return this.#client.stream({method: 'GET', path: `${await this.path('pods', pod)}/log`, query, signal});
  }

  /** What the server says of its version: `[1, 20]`. */
  async version(): Promise<readonly [number, number]> {
    const request: ApiRequest = {method: 'GET', path: '/version'};
    const {major, minor} = await this.#client.json<{readonly major?: string; readonly minor?: string}>(request);
    return [Number.parseInt(major ?? '', 10) || 0, Number.parseInt(minor ?? '', 10) || 0];
  }
}

async function orUndefined<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (err) {
    if (hasCode(err, 'not_found')) return undefined;
    throw err;
  }
}
