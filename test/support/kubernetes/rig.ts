import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {connect, createServer} from 'node:net';
import type {AddressInfo, Socket} from 'node:net';
import {join} from 'node:path';
import {test as base} from 'vitest';
import {withLock} from '../../../scripts/lock.mjs';
import {eventually} from '../eventually.ts';
import {BUSYBOX_IMAGE} from './base-images.ts';
import {importImage} from './cluster.ts';
import {command} from './command.ts';
import {startComponent, stopComponent} from './control.ts';
import {NETWORK} from './network.ts';
import {NODE_IMAGE, packNodeImage} from './node-image.ts';
import {kubeconfigPath} from './pki.ts';
import {readRig} from './rig-files.ts';
import type {ComponentName} from './components.ts';
import type {Rig} from './rig-files.ts';

/** A cluster, and a namespace in it that is the test file's own. */
export interface TestCluster {
  /** Path of a kubeconfig whose user may do anything. */
  readonly kubeconfig: string;
  readonly namespace: string;
  /** An image with a shell and small tools. */
  readonly busybox: string;
  /** Runs kubectl in the namespace and returns what it printed. @throws CommandError with what it said. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Creates or changes what the objects say, in the namespace unless they name another one. */
  apply(...objects: readonly unknown[]): Promise<void>;
  /** Where pods reach this machine; `undefined` for a cluster of the user's, unless `SCANPLANE_TEST_ADDRESS` says it. */
  readonly address: string | undefined;
  /**
   * Lets pods reach a TCP server that listens on this machine's loopback (an etcd, an API under test), until the test file ends.
   *
   * @returns `host:port` for pods.
   */
  expose(port: number): Promise<string>;
}

/** What can be done to a cluster that is the rig's own. */
export interface OwnCluster extends TestCluster {
  readonly address: string;
  /** Ends a component (15 s of grace; `graceMs` 0: SIGKILL) and resolves when it is gone. It is started again when the test file ends. */
  stop(component: ComponentName, graceMs?: number): Promise<void>;
  /** Resolves when it is ready. */
  start(component: ComponentName): Promise<void>;
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** The image of this project on Node ({@link packNodeImage}), packed and imported when it is first asked for. */
  nodeImage(): Promise<string>;
  /** Makes the image of an archive (see {@link file://./image.ts}) known to the node. */
  importImage(archive: string): Promise<void>;
  /** Folder of this run: logs, configuration, keys. */
  readonly folder: string;
}

interface Opened {
  readonly cluster: TestCluster | OwnCluster;
  close(): Promise<void>;
}

export const isOwn = (cluster: TestCluster | OwnCluster): cluster is OwnCluster => 'stop' in cluster;

/**
 * Opens the cluster with a namespace of the caller's own; `close` removes the namespace with all that is in it.
 *
 * @throws Error where there is none: outside `npm run test:k8s`, or on a machine that cannot have one.
 */
export async function openCluster(): Promise<Opened> {
  const folder = process.env['SCANPLANE_RIG'];
  const kubeconfig = process.env['KUBECONFIG'];
  if (folder !== undefined) return openOwn(await readRig(folder));
  if (kubeconfig) return openForeign(kubeconfig);
  throw new Error(`there is no Kubernetes: ${whyNoCluster() ?? 'start these tests by npm run test:k8s'}`);
}

/** Why there is no cluster, where the machine cannot have one. */
export const whyNoCluster = (): string | undefined => process.env['SCANPLANE_RIG_WHY_NOT'];

/**
 * `test` with a cluster: `cluster` is any, `own` one whose parts may be stopped. Without one the test is skipped with the reason.
 *
 * Both are the same for all tests of a file.
 */
export const test = base.extend<{cluster: TestCluster; own: OwnCluster; $file: {opened: Opened | undefined}}>({
  opened: [
    // oxlint-disable-next-line no-empty-pattern -- vitest reads the pattern to learn what a fixture needs
    async ({}: object, use: (opened: Opened | undefined) => Promise<void>) => {
      if (whyNoCluster() !== undefined) return use(undefined);
      const opened = await openCluster();
      try {
        await use(opened);
      } finally {
        await opened.close();
      }
    },
    {scope: 'file'},
  ],
  cluster: async ({opened, skip}, use) => {
    if (opened === undefined) return skip(`no Kubernetes: ${whyNoCluster()}`);
    await use(opened.cluster);
  },
  own: async ({opened, skip}, use) => {
    if (opened === undefined) return skip(`no Kubernetes: ${whyNoCluster()}`);
    if (!isOwn(opened.cluster)) return skip('the cluster is the user’s: nothing of it is stopped, and no image brought in');
    await use(opened.cluster);
  },
});

async function openOwn(rig: Rig): Promise<Opened> {
  const kubeconfig = kubeconfigPath(rig.folder, 'admin');
  const {cluster, close} = await openNamespace(join(rig.build.bin, 'kubectl'), kubeconfig, NETWORK.address, BUSYBOX_IMAGE);
  const stopped = new Set<ComponentName>();
  const start = async (name: ComponentName): Promise<void> => {
    await startComponent(rig, name);
    stopped.delete(name);
  };
  const stop = async (name: ComponentName, graceMs?: number): Promise<void> => {
    stopped.add(name);
    await stopComponent(rig, name, graceMs);
  };
  const own: OwnCluster = {
    ...cluster,
    address: NETWORK.address,
    folder: rig.folder,
    start,
    stop,
    startApiServer: async () => start('kube-apiserver'),
    stopApiServer: async () => stop('kube-apiserver'),
    importImage: async (archive) => importImage(rig, archive),
    nodeImage: async () => {
      const archive = join(rig.folder, 'node-image.tar');
      await withLock(`node image ${rig.folder}`, async () => {
        if (existsSync(archive)) return;
        await packNodeImage(`${archive}.part`);
        await importImage(rig, `${archive}.part`);
        await command('mv', [`${archive}.part`, archive]);
      });
      return NODE_IMAGE;
    },
  };
  return {
    cluster: own,
    async close() {
      for (const name of [...stopped]) await start(name);
      await close();
    },
  };
}

async function openForeign(kubeconfig: string): Promise<Opened> {
  return openNamespace('kubectl', kubeconfig, process.env['SCANPLANE_TEST_ADDRESS'], process.env['SCANPLANE_TEST_BUSYBOX'] ?? 'busybox:1');
}

async function openNamespace(
  program: string,
  kubeconfig: string,
  address: string | undefined,
  busybox: string,
): Promise<{cluster: TestCluster; close: () => Promise<void>}> {
  const namespace = `test-${randomBytes(4).toString('hex')}`;
  const kubectl = async (args: readonly string[], input?: string): Promise<string> =>
    command(program, ['--namespace', namespace, ...args], {
      // Its cache of what the server offers would otherwise be in the user's home.
      env: {...process.env, KUBECONFIG: kubeconfig, KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false'},
      timeoutMs: 120_000,
      ...(input === undefined ? {} : {input}),
    });
  await kubectl(['create', 'namespace', namespace]);
  // Pods are refused until it is there.
  await eventually(async () => kubectl(['get', 'serviceaccount', 'default']), {timeoutMs: 30_000, everyMs: 200});
  const doors: {close(): void}[] = [];
  const cluster: TestCluster = {
    kubeconfig,
    namespace,
    busybox,
    address,
    kubectl,
    async apply(...objects) {
      await kubectl(['apply', '-f', '-'], JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
    },
    async expose(port) {
      if (address === undefined) throw new Error('pods do not reach this machine; set SCANPLANE_TEST_ADDRESS');
      const door = await openDoor(address, port);
      doors.push(door);
      return `${address}:${door.port}`;
    },
  };
  return {
    cluster,
    async close() {
      for (const door of doors) door.close();
      // Tests may have left finalizers of theirs on Jobs, and the namespace would wait for whoever removes those.
      await kubectl(['delete', 'namespace', namespace, '--wait=false']);
    },
  };
}

/** A TCP server that hands every connection on to a port of loopback. */
async function openDoor(address: string, to: number): Promise<{readonly port: number; close(): void}> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => void (other.destroySoon(), sockets.delete(one)));
      one.pipe(other);
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
