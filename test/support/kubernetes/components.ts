import {join} from 'node:path';
import {API_SERVER, NETWORK, NODE_NAME} from './network.ts';
import {kubeconfigPath} from './pki.ts';
import type {Rig} from './rig-files.ts';

/** What the cluster is made of. A test may stop and start each of them. */
export const COMPONENTS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'containerd', 'kubelet', 'kube-proxy'] as const;
export type ComponentName = (typeof COMPONENTS)[number];

export interface Component {
  readonly args: readonly string[];
  /** Answers 200 once it can be used. `containerd` has none: its socket answers. */
  readonly readyUrl?: string;
}

/** How a component is started. @see https://v1-20.docs.kubernetes.io/docs/reference/command-line-tools-reference/ */
export function component(rig: Rig, name: ComponentName): Component {
  const pki = (file: string): string => join(rig.folder, 'pki', file);
  const config = (file: string): string => join(rig.folder, 'config', file);
  const etcd = `http://127.0.0.1:${NETWORK.etcdPort}`;
  const etcdPeer = `http://127.0.0.1:${NETWORK.etcdPeerPort}`;
  switch (name) {
    case 'etcd':
      return {
        args: [
          `--data-dir=${join(rig.folder, 'etcd')}`,
          `--listen-client-urls=${etcd}`,
          `--advertise-client-urls=${etcd}`,
          `--listen-peer-urls=${etcdPeer}`,
          `--initial-advertise-peer-urls=${etcdPeer}`,
          `--initial-cluster=default=${etcdPeer}`,
          '--unsafe-no-fsync=true',
        ],
        readyUrl: `${etcd}/health`,
      };
    case 'kube-apiserver':
      return {
        args: [
          `--etcd-servers=${etcd}`,
          '--bind-address=0.0.0.0',
          `--secure-port=${NETWORK.apiPort}`,
          `--advertise-address=${NETWORK.address}`,
          `--service-cluster-ip-range=${NETWORK.services}`,
          `--tls-cert-file=${pki('apiserver.crt')}`,
          `--tls-private-key-file=${pki('apiserver.key')}`,
          `--client-ca-file=${pki('ca.crt')}`,
          `--token-auth-file=${pki('tokens.csv')}`,
          '--authorization-mode=Node,RBAC',
          '--enable-admission-plugins=NodeRestriction',
          '--service-account-issuer=https://kubernetes.default.svc',
          `--service-account-key-file=${pki('service-accounts.pub')}`,
          `--service-account-signing-key-file=${pki('service-accounts.key')}`,
          `--kubelet-client-certificate=${pki('kubelet-client.crt')}`,
          `--kubelet-client-key=${pki('kubelet-client.key')}`,
          `--kubelet-certificate-authority=${pki('ca.crt')}`,
          '--kubelet-preferred-address-types=InternalIP',
          `--requestheader-client-ca-file=${pki('ca.crt')}`,
          '--requestheader-allowed-names=front-proxy-client',
          '--requestheader-username-headers=X-Remote-User',
          '--requestheader-group-headers=X-Remote-Group',
          '--requestheader-extra-headers-prefix=X-Remote-Extra-',
          '--allow-privileged=true',
          '--feature-gates=TTLAfterFinished=true',
          '--profiling=false',
        ],
        readyUrl: `${API_SERVER}/readyz`,
      };
    case 'kube-controller-manager':
      return {
        args: [
          `--kubeconfig=${kubeconfigPath(rig.folder, name)}`,
          '--bind-address=127.0.0.1',
          '--port=0',
          '--leader-elect=false',
          '--use-service-account-credentials=true',
          `--service-account-private-key-file=${pki('service-accounts.key')}`,
          `--root-ca-file=${pki('ca.crt')}`,
          `--cluster-signing-cert-file=${pki('ca.crt')}`,
          `--cluster-signing-key-file=${pki('ca.key')}`,
          `--service-cluster-ip-range=${NETWORK.services}`,
          `--flex-volume-plugin-dir=${join(rig.folder, 'flex-volumes')}`,
          '--feature-gates=TTLAfterFinished=true',
          '--profiling=false',
        ],
        readyUrl: 'https://127.0.0.1:10257/healthz',
      };
    case 'kube-scheduler':
      return {
        args: [
          `--kubeconfig=${kubeconfigPath(rig.folder, name)}`,
          '--bind-address=127.0.0.1',
          '--port=0',
          '--leader-elect=false',
          '--profiling=false',
        ],
        readyUrl: 'https://127.0.0.1:10259/healthz',
      };
    case 'containerd':
      return {args: ['--config', config('containerd.toml')]};
    case 'kubelet':
      return {
        args: [
          `--config=${config('kubelet.json')}`,
          `--kubeconfig=${kubeconfigPath(rig.folder, name)}`,
          '--container-runtime=remote',
          '--container-runtime-endpoint=unix:///run/containerd/containerd.sock',
          `--hostname-override=${NODE_NAME}`,
          `--node-ip=${NETWORK.address}`,
          `--volume-plugin-dir=${join(rig.folder, 'flex-volumes')}`,
        ],
        readyUrl: 'http://127.0.0.1:10248/healthz',
      };
    case 'kube-proxy':
      return {args: [`--config=${config('kube-proxy.json')}`], readyUrl: 'http://127.0.0.1:10256/healthz'};
  }
}
