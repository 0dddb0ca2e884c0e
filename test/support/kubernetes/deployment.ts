import {once} from 'node:events';
import {chmod, chown, mkdir, mkdtemp, readFile, rm} from 'node:fs/promises';
import type {IncomingMessage} from 'node:http';
import {request} from 'node:https';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {command} from './command.ts';
import {kustomize} from './kustomize.ts';
import type {OwnCluster} from './rig.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', '..', 'deploy', 'kubernetes');
const RIG = join(import.meta.dirname, '..', '..', 'deploy', 'rig');
/** As the images' user. */
const USER = 65_532;
const CLAIMS = ['data-scanplane-etcd-0', 'data-scanplane-etcd-1', 'data-scanplane-etcd-2', 'scanplane-backups', 'scanplane-scans'] as const;
/** Of the Service, in {@link RIG}. */
const API = {host: '10.96.77.20', port: 443, servername: 'scanplane-api'} as const;

export interface Answer {
  readonly status: number;
  /** Parsed, where it is JSON. */
  readonly body: unknown;
}

/** scanplane as `deploy/kubernetes` has it, in a namespace of the rig. One at a time: the addresses of its Services are fixed. */
export class Deployment {
  readonly cluster: OwnCluster;
  /** What certificates.sh has left, with the key of the authority; and the volumes, by their claims. */
  readonly folder: string;
  #ca = '';
  #token = '';

  private constructor(cluster: OwnCluster, folder: string) {
    this.cluster = cluster;
    this.folder = folder;
  }

  /** Resolves when every pod is ready. @throws Error with the state of the pods and what they said last */
  static async start(cluster: OwnCluster): Promise<Deployment> {
    await Promise.all([cluster.scanplaneImage(), cluster.scannerImage(), cluster.etcdImage()]);
    const deployment = new Deployment(cluster, await mkdtemp(join(tmpdir(), 'scanplane-deployed-')));
    await deployment.#applySecrets();
    await deployment.#applyVolumes();
    await cluster.kubectl(['apply', '--warnings-as-errors', '-f', '-'], await kustomize(RIG));
    await deployment.untilReady();
    return deployment;
  }

  async untilReady(): Promise<void> {
    try {
      for (const what of ['statefulset/scanplane-etcd', 'deployment/scanplane-controllers', 'deployment/scanplane-api']) {
        await this.cluster.kubectl(['rollout', 'status', what, '--timeout=110s']);
      }
    } catch (err) {
      throw new Error(await this.whatPodsSay(), {cause: err});
    }
  }

  /** For messages of failures. */
  async whatPodsSay(): Promise<string> {
    const tell = async (...args: readonly string[]): Promise<string> => this.cluster.kubectl(args).catch((err: unknown) => String(err));
    const said = ['api', 'controllers', 'etcd'].map(async (name) =>
      tell('logs', '--prefix', '--tail=15', '--selector', `app.kubernetes.io/name=scanplane-${name}`),
    );
    return [await tell('get', 'pods,jobs,pvc', '-o', 'wide'), ...(await Promise.all(said)), await tell('get', 'events')].join('\n');
  }

  /** Volumes outlive namespaces. */
  async dispose(): Promise<void> {
    await this.cluster.kubectl(['delete', 'persistentvolume', '--wait=false', ...CLAIMS.map((claim) => this.#volumeName(claim))]);
    await rm(this.folder, {recursive: true, force: true});
  }

  /** A request as from outside, over TLS. `token`: another one; empty: none. @throws the system's error where there is no answer */
  async call(method: string, path: string, {body, token = this.#token}: {readonly body?: unknown; readonly token?: string} = {}): Promise<Answer> {
    const headers = {
      ...(token === '' ? {} : {authorization: `Bearer ${token}`}),
      ...(body === undefined ? {} : {'content-type': 'application/json'}),
    };
    const sent = request({...API, method, path, headers, ca: this.#ca, agent: false, timeout: 30_000});
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer`)));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const text = (await response.toArray()).join('');
    let parsed: unknown = text;
    if (response.headers['content-type']?.startsWith('application/json') === true) parsed = JSON.parse(text);
    return {status: response.statusCode ?? 0, body: parsed};
  }

  /** As an operator who looks in. */
  async etcdctl(...args: readonly string[]): Promise<string> {
    return this.cluster.kubectl(['exec', 'scanplane-etcd-0', '--', 'etcdctl', ...args]);
  }

  /** Runs one of the scripts of `deploy/kubernetes` for this namespace. @returns what it printed */
  async script(name: string, ...args: readonly string[]): Promise<string> {
    return command('sh', [join(DEPLOY, name), this.cluster.namespace, ...args], {
      env: {...process.env, KUBECONFIG: this.cluster.kubeconfig, KUBECTL: this.cluster.kubectlProgram},
      timeoutMs: 400_000,
    });
  }

  async #applySecrets(): Promise<void> {
    const secrets = join(this.folder, 'secrets');
    await this.cluster.kubectl(['apply', '-f', '-'], await this.script('certificates.sh', secrets));
    [this.#ca, this.#token] = await Promise.all([readFile(join(secrets, 'ca.crt'), 'utf8'), readFile(join(secrets, 'first-token'), 'utf8')]);
  }

  #volumeName(claim: string): string {
    return `${this.cluster.namespace}-${claim}`;
  }

  /** What a storage class would make: a volume for each claim, which belongs to it alone. */
  async #applyVolumes(): Promise<void> {
    const volumes = CLAIMS.map(async (claim) => {
      const path = join(this.folder, claim);
      await mkdir(path);
      await chown(path, USER, USER);
      // As fsGroup makes volumes that are not of the node: folders that a kubelet makes in it have its group.
      await chmod(path, 0o2770);
      return {
        apiVersion: 'v1',
        kind: 'PersistentVolume',
        metadata: {name: this.#volumeName(claim)},
        spec: {
          capacity: {storage: '20Gi'},
          accessModes: ['ReadWriteOnce', 'ReadWriteMany'],
          claimRef: {apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: this.cluster.namespace, name: claim},
          hostPath: {path},
        },
      };
    });
    await this.cluster.apply(...(await Promise.all(volumes)));
  }
}
