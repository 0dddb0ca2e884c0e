import {ApiClient} from '../../../src/engines/kubernetes/api-client.ts';
import {loadKubeconfig} from '../../../src/engines/kubernetes/client-config.ts';
import {KubernetesEngine} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import type {KubernetesEngineOptions} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import type {ApiList, ApiObject} from '../../../src/engines/kubernetes/objects.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {KubernetesClusterSettings} from '../../../src/schema/kubernetes-cluster.ts';
import {openCluster} from '../../support/kubernetes/rig.ts';
import type {TestCluster} from '../../support/kubernetes/test-namespace.ts';

/** A namespace of its own on the cluster that the rig found, and engines in it. */
export class TestNamespace {
  /** That of the contract's jobs. */
  readonly clusterId = 'c1';
  readonly kubeconfig: string;
  readonly name: string;
  /** An image with a shell that every node has. */
  readonly image: string;
  readonly client: ApiClient;
  readonly #close: () => Promise<void>;
  readonly #listening = new AbortController();
  readonly #engines: KubernetesEngine[] = [];

  private constructor({kubeconfig, namespace, busybox}: TestCluster, close: () => Promise<void>) {
    [this.kubeconfig, this.name, this.image, this.#close] = [kubeconfig, namespace, busybox, close];
    const limits = {perSecond: 1000, burst: 1000, inFlight: 100};
    this.client = new ApiClient({load: () => loadKubeconfig(kubeconfig, undefined, {}), limits, clock: systemClock});
  }

  static async open(): Promise<TestNamespace> {
    const opened = await openCluster();
    return new TestNamespace(opened.cluster, async () => opened.close());
  }

  /** Another replica. Its watches run unless told otherwise. */
  engine(settings: KubernetesClusterSettings = {}, options: Partial<KubernetesEngineOptions> = {}, isWatching = true): KubernetesEngine {
    const all = {kubeconfig: this.kubeconfig, namespace: this.name, image: this.image, requests_per_second: 500, ...settings};
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
    await this.#close();
    for (const kind of ['jobs', 'pods'] as const) {
      for (const {metadata} of await this.list(kind)) await this.patch(kind, metadata.name, {metadata: {finalizers: null}}).catch(() => undefined);
    }
    this.client.close();
  }
}
