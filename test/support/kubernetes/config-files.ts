import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {PAUSE_IMAGE} from './base-images.ts';
import {NETWORK, NODE_NAME} from './network.ts';
import {kubeconfigPath} from './pki.ts';
import type {Rig} from './rig-files.ts';

/** Writes the configuration of what is not configured by arguments. `snapshotter`: how containerd stacks the layers of images. */
export async function writeConfigFiles(rig: Rig, snapshotter: 'overlayfs' | 'native'): Promise<void> {
  const folder = join(rig.folder, 'config');
  await mkdir(join(folder, 'cni'), {recursive: true});
  const json = async (name: string, value: unknown): Promise<void> => writeFile(join(folder, name), JSON.stringify(value, undefined, 2));
  await json('kubelet.json', kubelet(rig));
  await json('kube-proxy.json', kubeProxy(rig));
  await json('cni/10-ptp.conflist', podNetwork(rig));
  await writeFile(join(folder, 'containerd.toml'), containerd(rig, snapshotter));
  await writeFile(join(folder, 'resolv.conf'), '# pods have no name server\n');
}

/** @see https://github.com/kubernetes/kubelet/blob/v0.20.2/config/v1beta1/types.go */
function kubelet({folder, cgroup}: Rig): unknown {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: NETWORK.address,
    healthzBindAddress: '127.0.0.1',
    tlsCertFile: join(folder, 'pki/kubelet.crt'),
    tlsPrivateKeyFile: join(folder, 'pki/kubelet.key'),
    authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: join(folder, 'pki/ca.crt')}},
    authorization: {mode: 'Webhook'},
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // It would want to write the node's iptables for host ports, which no test uses.
    makeIPTablesUtilChains: false,
    // The machine belongs to others: its disk may well be full by a kubelet's measure.
    evictionHard: {'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%'},
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    // Containers are not allowed a lower one than ours; neither is the kubelet.
    oomScoreAdj: 0,
    serializeImagePulls: false,
    kubeAPIQPS: 50,
    kubeAPIBurst: 100,
    resolvConf: join(folder, 'config/resolv.conf'),
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '5s',
  };
}

/** @see https://github.com/kubernetes/kube-proxy/blob/v0.20.2/config/v1alpha1/types.go */
function kubeProxy({folder}: Rig): unknown {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    bindAddress: NETWORK.address,
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    clientConnection: {kubeconfig: kubeconfigPath(folder, 'kube-proxy')},
    clusterCIDR: NETWORK.pods,
    hostnameOverride: NODE_NAME,
    mode: 'iptables',
    iptables: {minSyncPeriod: '0s', syncPeriod: '30s'},
    // Zero leaves the machine's limits as they are: they are not of this network namespace alone.
    conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s'},
    oomScoreAdj: 0,
  };
}

function podNetwork({folder}: Rig): unknown {
  const ranges = [[{subnet: NETWORK.pods}]];
  const ipam = {type: 'host-local', dataDir: join(folder, 'pod-addresses'), ranges, routes: [{dst: '0.0.0.0/0'}]};
  return {cniVersion: '0.4.0', name: 'pods', plugins: [{type: 'ptp', ipMasq: false, ipam}]};
}

/** @see https://github.com/containerd/containerd/blob/v1.6.20/docs/cri/config.md */
function containerd({folder, build}: Rig, snapshotter: string): string {
  const text = JSON.stringify; // of our paths and names, the same in TOML
  return `version = 2
root = ${text(join(folder, 'containerd'))}
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
]
[plugins."io.containerd.internal.v1.opt"]
  path = ${text(join(folder, 'containerd-opt'))}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${text(PAUSE_IMAGE)}
  disable_apparmor = true
  restrict_oom_score_adj = true # an unprivileged machine cannot lower it, and runc would fail
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = ${text(snapshotter)}
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = ${text(join(build.bin, 'runc'))}
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${text(build.cni)}
    conf_dir = ${text(join(folder, 'config/cni'))}
`;
}
