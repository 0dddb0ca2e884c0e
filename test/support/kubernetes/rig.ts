import {existsSync} from 'node:fs';
import {rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {test as base} from 'vitest';
import {withLock} from '../../../scripts/lock.mjs';
import {BUSYBOX_IMAGE} from './base-images.ts';
import {importImage} from './cluster.ts';
import {startComponent, stopComponent} from './control.ts';
import {DEPLOYED_IMAGES, deployedArchive} from './deployed-images.ts';
import {NETWORK} from './network.ts';
import {NODE_IMAGE, packNodeImage} from './node-image.ts';
import {kubeconfigPath} from './pki.ts';
import {readRig} from './rig-files.ts';
import {openNamespace} from './test-namespace.ts';
import type {ComponentName} from './components.ts';
import type {DeployedImage} from './deployed-images.ts';
import type {Rig} from './rig-files.ts';
import type {TestCluster} from './test-namespace.ts';

/** What can be done to a cluster that is the rig's own. */
export interface OwnCluster extends TestCluster {
  readonly address: string;
  /** Ends a component (15 s of grace; `graceMs` 0: SIGKILL) and resolves when it is gone. It is started again when the test file ends. */
  stop(component: ComponentName, graceMs?: number): Promise<void>;
  /** Resolves when it is ready. */
  start(component: ComponentName): Promise<void>;
  /** At once: asked kindly, it would wait a minute for its watches to end. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** The image of this project on Node ({@link packNodeImage}), packed and imported when it is first asked for. */
  nodeImage(): Promise<string>;
  /** An image of `deploy/` ({@link DEPLOYED_IMAGES}), imported when it is first asked for. Their sources are compiled: the first time takes longer. */
  deployedImage(name: DeployedImage): Promise<string>;
  scanplaneImage(): Promise<string>;
  scannerImage(): Promise<string>;
  etcdImage(): Promise<string>;
  /** Makes the image of an archive (see {@link file://./image.ts}) known to the node. */
  importImage(archive: string): Promise<void>;
  /** Path of kubectl, for scripts that call it. */
  readonly kubectlProgram: string;
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
export const test = base
  // oxlint-disable-next-line no-empty-pattern -- vitest reads the pattern to learn what a fixture needs
  .extend('opened', {scope: 'file'}, async ({}, {onCleanup}): Promise<Opened | undefined> => {
    if (whyNoCluster() !== undefined) return undefined;
    const opened = await openCluster();
    onCleanup(async () => opened.close());
    return opened;
  })
  .extend('cluster', async ({opened, skip}): Promise<TestCluster> => opened?.cluster ?? skip(`no Kubernetes: ${whyNoCluster()}`))
  .extend('own', async ({opened, skip}): Promise<OwnCluster> => {
    if (opened === undefined) return skip(`no Kubernetes: ${whyNoCluster()}`);
    if (!isOwn(opened.cluster)) return skip('the cluster is a user’s: nothing of it is stopped, and no image is brought in');
    return opened.cluster;
  });

async function openOwn(rig: Rig): Promise<Opened> {
  const kubeconfig = kubeconfigPath(rig.folder, 'admin');
  const kubectlProgram = join(rig.build.bin, 'kubectl');
  const {cluster, close} = await openNamespace(kubectlProgram, kubeconfig, NETWORK.address, BUSYBOX_IMAGE);
  const stopped = new Set<ComponentName>();
  const start = async (name: ComponentName): Promise<void> => {
    await startComponent(rig, name);
    stopped.delete(name);
  };
  const stop = async (name: ComponentName, graceMs?: number): Promise<void> => {
    stopped.add(name);
    await stopComponent(rig, name, graceMs);
  };
  const deployedImage = async (name: DeployedImage): Promise<string> => {
    const mark = join(rig.folder, `imported-${name}`);
    await withLock(`${name} image ${rig.folder}`, async () => {
      if (existsSync(mark)) return;
      await importImage(rig, await deployedArchive(name, join(rig.build.bin, 'busybox')));
      await writeFile(mark, '');
    });
    return DEPLOYED_IMAGES[name];
  };
  const own: OwnCluster = {
    ...cluster,
    address: NETWORK.address,
    folder: rig.folder,
    kubectlProgram,
    start,
    stop,
    startApiServer: async () => start('kube-apiserver'),
    stopApiServer: async () => stop('kube-apiserver', 0),
    importImage: async (archive) => importImage(rig, archive),
    deployedImage,
    scanplaneImage: async () => deployedImage('scanplane'),
    scannerImage: async () => deployedImage('scanner'),
    etcdImage: async () => deployedImage('etcd'),
    nodeImage: async () => {
      const archive = join(rig.folder, 'node-image.tar');
      await withLock(`node image ${rig.folder}`, async () => {
        if (existsSync(archive)) return;
        await packNodeImage(`${archive}.part`);
        await importImage(rig, `${archive}.part`);
        await rename(`${archive}.part`, archive);
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
