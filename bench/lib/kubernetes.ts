import {spawn, spawnSync} from 'node:child_process';
import {subscribe} from 'node:diagnostics_channel';
import type {ClientRequest} from 'node:http';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {openNamespace} from '../../test/support/kubernetes/test-namespace.ts';
import type {TestCluster} from '../../test/support/kubernetes/test-namespace.ts';
import {kubeconfigPath} from '../../test/support/kubernetes/pki.ts';
import {NETWORK} from '../../test/support/kubernetes/network.ts';
import {readRig} from '../../test/support/kubernetes/rig-files.ts';
import {BUSYBOX_IMAGE} from '../../test/support/kubernetes/base-images.ts';
import {reapAtExit} from './remote.ts';

/** Whether there is a cluster to measure on: the rig's, or one of the user's. */
export function hasCluster(): boolean {
  return process.env['SCANPLANE_RIG'] !== undefined || (process.env['KUBECONFIG'] ?? '') !== '';
}

export interface BenchCluster {
  readonly cluster: TestCluster;
  /** The program, and the arguments with which it finds this namespace. */
  readonly kubectl: readonly [string, readonly string[]];
  close(): Promise<void>;
}

export async function openBenchCluster(): Promise<BenchCluster> {
  const folder = process.env['SCANPLANE_RIG'];
  const rig = folder === undefined ? undefined : await readRig(folder);
  const program = rig === undefined ? 'kubectl' : join(rig.build.bin, 'kubectl');
  const kubeconfig = rig === undefined ? (process.env['KUBECONFIG'] ?? '') : kubeconfigPath(rig.folder, 'admin');
  const image = rig === undefined ? (process.env['SCANPLANE_TEST_BUSYBOX'] ?? 'busybox:1') : BUSYBOX_IMAGE;
  const {cluster, close} = await openNamespace(program, kubeconfig, rig === undefined ? undefined : NETWORK.address, image);
  return {cluster, kubectl: [program, ['--kubeconfig', kubeconfig, '--namespace', cluster.namespace]], close};
}

/** Runs kubectl and calls back for each line that it prints; resolves when it has ended, or by `stop`. */
export function kubectlLines(
  {kubectl: [program, own]}: BenchCluster,
  args: readonly string[],
  onLine: (line: string) => void,
): {readonly ended: Promise<void>; stop(): void} {
  const child = spawn(program, [...own, ...args], {stdio: ['ignore', 'pipe', 'inherit']});
  reapAtExit(child);
  createInterface({input: child.stdout}).on('line', onLine);
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => (code === 0 || child.killed ? resolve() : reject(new Error(`kubectl ${args.join(' ')} ended with ${code}`))));
  });
  return {ended, stop: () => void child.kill()};
}

/** As a loop in a shell would: waits for each. */
export function kubectlOnce({kubectl: [program, own]}: BenchCluster, args: readonly string[]): void {
  const {status, stderr} = spawnSync(program, [...own, ...args], {encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe']});
  if (status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
}

/** Requests that this process has made over HTTP since it started, by method and kind of object: `POST jobs`. */
export class RequestCount {
  readonly #counts = new Map<string, number>();

  constructor() {
    subscribe('http.client.request.start', (message) => {
      const {method, path} = (message as {readonly request: ClientRequest}).request;
      const kind = /\/namespaces\/[^/]+\/([a-z]+)(\/[^?/]+)?/.exec(path);
      if (kind === null || path.includes('watch=')) return;
      const name = `${method === 'GET' && kind[2] === undefined ? 'LIST' : method} ${kind[1]}`;
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    });
  }

  /** What was made since; the counts begin anew. */
  take(): Readonly<Record<string, number>> {
    const taken = Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#counts.clear();
    return taken;
  }
}
