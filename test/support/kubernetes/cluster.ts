import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {eventually} from '../eventually.ts';
import {command} from './command.ts';
import {startComponent} from './control.ts';
import {writeConfigFiles} from './config-files.ts';
import {NODE_NAME} from './network.ts';
import {kubeconfigPath, writeCredentials} from './pki.ts';
import type {Rig} from './rig-files.ts';

/**
 * Starts the whole cluster, within namespaces of its own (see enter.sh); resolves when its node takes pods.
 *
 * @throws Error that names the component and ends with what it said.
 */
export async function startCluster(rig: Rig): Promise<void> {
  await writeCredentials(rig.folder);
  await writeConfigFiles(rig, await chooseSnapshotter(rig.folder));
  await startComponent(rig, 'etcd');
  await startComponent(rig, 'kube-apiserver');
  const runtime = startComponent(rig, 'containerd').then(async () => {
    for (const name of ['pause.tar', 'busybox.tar']) await importImage(rig, join(rig.build.images, name));
    await startComponent(rig, 'kubelet');
  });
  await Promise.all([
    runtime,
    ...(['kube-controller-manager', 'kube-scheduler', 'kube-proxy'] as const).map(async (name) => startComponent(rig, name)),
  ]);
  await eventually(async () => isUsable(rig), {timeoutMs: 90_000, everyMs: 250});
}

/** Makes an image archive known to the cluster's node. */
export async function importImage(rig: Rig, archive: string): Promise<void> {
  await command(join(rig.build.bin, 'ctr'), ['--namespace', 'k8s.io', 'images', 'import', archive]);
}

/** The node is ready and carries no taint, and pods get a service account. */
async function isUsable(rig: Rig): Promise<boolean> {
  const kubectl = async (...args: string[]): Promise<string> =>
    command(join(rig.build.bin, 'kubectl'), ['--kubeconfig', kubeconfigPath(rig.folder, 'admin'), 'get', '-o', 'json', ...args]);
  const node = JSON.parse(await kubectl('node', NODE_NAME)) as {
    readonly spec: {readonly taints?: readonly unknown[]};
    readonly status: {readonly conditions: readonly {readonly type: string; readonly status: string}[]};
  };
  await kubectl('serviceaccount', 'default', '--namespace', 'default');
  return node.spec.taints === undefined && node.status.conditions.some(({type, status}) => type === 'Ready' && status === 'True');
}

/** Layers as overlays where the file system below can carry them (one that is an overlay itself cannot), else as copies. */
async function chooseSnapshotter(folder: string): Promise<'overlayfs' | 'native'> {
  const probe = join(folder, 'overlay-probe');
  for (const name of ['lower', 'upper', 'work', 'merged']) await mkdir(join(probe, name), {recursive: true});
  const options = `lowerdir=${probe}/lower,upperdir=${probe}/upper,workdir=${probe}/work`;
  try {
    await command('mount', ['-t', 'overlay', 'overlay', '-o', options, join(probe, 'merged')]);
    await command('umount', [join(probe, 'merged')]);
    return 'overlayfs';
  } catch {
    return 'native';
  }
}
