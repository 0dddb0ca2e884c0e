import {createHash} from 'node:crypto';
import {homedir} from 'node:os';
import {join} from 'node:path';

/**
 * What the rig's Kubernetes is made of, all of it packages of Debian 12 (bookworm).
 *
 * The digest of this object names the build in the cache: a change here makes a new one. `layout` is raised when the build steps themselves change
 * what they leave.
 *
 * - Kubernetes 1.20.2 is the last one of which Debian carries the whole source; later packages have the client only.
 * - It wants Go 1.19 with GOPATH mode: with modules that version of Go asks for changes of go.mod, which an offline build cannot make.
 * - The vendored reflect2 1.0.1 breaks from Go 1.18 on: any object with a map, so any Job, ends in a nil dereference. Debian's 1.0.2 takes its place.
 */
export const RECIPE = {
  layout: 2,
  suite: 'bookworm',
  source: 'kubernetes',
  version: {
    gitVersion: 'v1.20.2',
    gitMajor: '1',
    gitMinor: '20',
    gitTreeState: 'archive',
    gitCommit: 'faecb196815e248d3ecfb03c680a4507229c2a56',
    buildDate: '2021-01-13T13:20:00Z',
  },
  goRoot: 'usr/lib/go-1.19',
  compilers: ['golang-1.19-go', 'golang-1.19-src', 'golang-github-modern-go-reflect2-dev'],
  runtime: ['etcd-server', 'containerd', 'runc', 'containernetworking-plugins', 'busybox-static', 'kubernetes-client'],
  /** iptables and the libraries it needs beyond libc: kube-proxy writes the rules of Services with it. */
  firewall: ['iptables', 'libip4tc2', 'libip6tc2', 'libxtables12', 'libmnl0', 'libnftnl11', 'libnfnetlink0', 'libnetfilter-conntrack3'],
  programs: ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
  tags: 'providerless,dockerless',
} as const;

/** Everything of the rig that outlives a run: builds by digest, and the folders of runs. */
export function rigCacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'scanplane', 'kubernetes');
}

/** Where the build of this recipe for this machine's architecture is, once it is whole. */
export function buildDir(): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([RECIPE, process.arch]))
    .digest('hex');
  return join(rigCacheDir(), 'builds', digest.slice(0, 16));
}
