import {randomUUID} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {ApiClient} from '../../../src/engines/kubernetes/api-client.ts';
import {loadKubeconfig} from '../../../src/engines/kubernetes/client-config.ts';
import {KubernetesEngine} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import type {KubernetesEngineOptions} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import type {ApiList, ApiObject} from '../../../src/engines/kubernetes/objects.ts';
import {must} from '../../../src/lib/assert.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {KubernetesClusterSettings} from '../../../src/schema/kubernetes-cluster.ts';

/** An image with a shell that every node of the test cluster has. */
export const IMAGE = process.env['SCANPLANE_TEST_K8S_IMAGE'] ?? 'localhost/busybox:1';

/** A namespace of its own on the cluster that `KUBECONFIG` names. */
export class TestNamespace {
  readonly kubeconfig = must(process.env['KUBECONFIG'], 'KUBECONFIG names a cluster for these tests');
  readonly name = `scanplane-test-${randomUUID().slice(0, 8)}`;
  /** That of the contract's jobs. */
  readonly clusterId = 'c1';
  readonly client: ApiClient;
  readonly #listening = new AbortController();
  readonly #engines: KubernetesEngine[] = [];

  constructor() {
    readFileSync(this.kubeconfig); // A clear error where there is none.
    const limits = {perSecond: 1000, burst: 1000, inFlight: 100};
    this.client = new ApiClient({load: () => loadKubeconfig(this.kubeconfig, undefined, {}), limits, clock: systemClock});
  }

  async create(): Promise<this> {
    await this.client.json({method: 'POST', path: '/api/v1/namespaces', body: {apiVersion: 'v1', kind: 'Namespace', metadata: {name: this.name}}});
    return this;
  }

  /** Another replica. Its watches run unless told otherwise. */
  engine(settings: KubernetesClusterSettings = {}, options: Partial<KubernetesEngineOptions> = {}, isWatching = true): KubernetesEngine {
    const all = {kubeconfig: this.kubeconfig, namespace: this.name, image: IMAGE, requests_per_second: 500, ...settings};
    const engine = new KubernetesEngine({
      ...{place: `kubernetes/${this.name}`, clusterId: this.clusterId, env: {}, clock: systemClock, log: silentLog},
      ...options,
      settings: all,
    });
    if (isWatching) engine.onChange(() => undefined, this.#listening.signal);
    this.#engines.push(engine);
    return engine;
  }

  path(kind: 'jobs' | 'pods' | 'secrets' | 'configmaps' | 'resourcequotas', name = ''): string {
    return `${kind === 'jobs' ? '/apis/batch/v1' : '/api/v1'}/namespaces/${this.name}/${kind}${name === '' ? '' : `/${name}`}`;
  }

  async list<T extends ApiObject>(kind: 'jobs' | 'pods' | 'secrets' | 'configmaps'): Promise<readonly T[]> {
    const found = (await this.client.json<ApiList<T>>({method: 'GET', path: this.path(kind)})).items ?? [];
    // The namespace's own account has a token in one.
    return found.filter(({metadata}) => metadata.labels?.['scanplane/cluster'] !== undefined);
  }

  /** As `kubectl delete` does. */
  async delete(kind: 'jobs' | 'pods', name: string): Promise<void> {
    await this.client.text({method: 'DELETE', path: this.path(kind, name), query: {propagationPolicy: 'Background'}});
  }

  patch<T>(kind: 'jobs' | 'pods', name: string, body: unknown): Promise<T> {
    return this.client.json<T>({method: 'PATCH', path: this.path(kind, name), body});
  }

  /** Ends the engines and everything in the namespace, also what is kept for somebody. */
  async dispose(): Promise<void> {
    this.#listening.abort();
    for (const engine of this.#engines) engine.dispose();
    await this.client.text({method: 'DELETE', path: `/api/v1/namespaces/${this.name}`});
    for (const kind of ['jobs', 'pods'] as const) {
      for (const {metadata} of await this.list(kind)) await this.patch(kind, metadata.name, {metadata: {finalizers: null}}).catch(() => undefined);
    }
    this.client.close();
  }
}
