import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {cp, mkdir, mkdtemp, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {withLock} from '../../../scripts/lock.mjs';
import {debianMirror, openApt} from '../kubernetes/apt.ts';
import {command} from '../kubernetes/command.ts';
import {rigCacheDir} from '../kubernetes/recipe.ts';

/** What a Docker engine is made of, all of it packages of Debian. The digest of this object names what is in the cache. */
const RECIPE = {
  layout: 1,
  bookworm: [
    ...['docker.io', 'containerd', 'runc', 'tini', 'libdevmapper1.02.1', 'debootstrap', 'busybox-static'],
    ...['iptables', 'libip4tc2', 'libip6tc2', 'libxtables12', 'libmnl0', 'libnftnl11', 'libnfnetlink0', 'libnetfilter-conntrack3'],
  ],
  /** Its first release with the second version of docker-compose: a program without libraries of its own. */
  trixie: ['docker-compose'],
} as const;

const PROGRAMS = {
  docker: 'usr/bin/docker',
  'docker-compose': 'usr/libexec/docker/cli-plugins/docker-compose',
  'docker-init': 'usr/bin/tini-static',
  'docker-proxy': 'usr/sbin/docker-proxy',
  containerd: 'usr/bin/containerd',
  'containerd-shim-runc-v2': 'usr/bin/containerd-shim-runc-v2',
  runc: 'usr/sbin/runc',
  busybox: 'bin/busybox',
} as const satisfies Record<string, string>;

export interface DockerPackages {
  /** The unpacked packages: a `usr` with `bin`, `sbin`, `lib`. */
  readonly root: string;
  /** dockerd, docker, containerd, runc, iptables … */
  readonly bin: string;
  /** A bare Debian, as an archive that `docker import` takes. */
  readonly debian: string;
}

/**
 * Gets a Docker engine and a bare Debian from Debian's packages, or finds them in the cache. Takes a minute and needs 0.5 GB. Nothing is installed.
 *
 * @throws CommandError from apt or debootstrap.
 */
export async function ensureDockerPackages(say: (line: string) => void): Promise<DockerPackages> {
  const digest = createHash('sha256')
    .update(JSON.stringify([RECIPE, process.arch]))
    .digest('hex');
  const target = join(rigCacheDir(), 'docker', digest.slice(0, 16));
  if (!existsSync(target)) {
    await withLock(
      `docker ${dirname(target)}`,
      () => get(target, say),
      () => say('Waiting: another process is getting Docker.'),
    );
  }
  return {root: join(target, 'root'), bin: join(target, 'bin'), debian: join(target, 'debian.tar')};
}

async function get(target: string, say: (line: string) => void): Promise<void> {
  if (existsSync(target)) return; // got by whoever held the lock before us
  const folder = dirname(target);
  await rm(folder, {recursive: true, force: true, maxRetries: 3}); // of other recipes, or what a killed run left
  await mkdir(folder, {recursive: true});
  const work = await mkdtemp(join(folder, 'tmp-'));
  say(`Getting a Docker engine from Debian's packages, once, into ${folder} (nothing is installed) …`);
  try {
    const whole = join(work, 'whole');
    const root = join(whole, 'root');
    await mkdir(root, {recursive: true});
    for (const suite of ['bookworm', 'trixie'] as const) {
      const apt = join(work, suite);
      await mkdir(apt);
      await (await openApt(apt, suite)).unpack(RECIPE[suite], root);
    }
    await collect(whole);
    await makeDebian(work, root, join(whole, 'debian.tar'));
    await rename(whole, target);
  } finally {
    await rm(work, {recursive: true, force: true, maxRetries: 3});
  }
}

/** Programs under one folder. Those that need libraries of the packages find them beside themselves. */
async function collect(whole: string): Promise<void> {
  const bin = join(whole, 'bin');
  await mkdir(bin);
  const libraries = (await readdir(join(whole, 'root', 'usr', 'lib'))).find((name) => name.endsWith('-linux-gnu'));
  if (libraries === undefined) throw new Error('the packages have no libraries where Debian puts them');
  const wrapper = async (name: string, program: string): Promise<void> => {
    const script = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/../root
export LD_LIBRARY_PATH="$here/usr/lib/${libraries}:$here/lib/${libraries}" XTABLES_LIBDIR="$here/usr/lib/${libraries}/xtables"
exec "$here/${program}" "$@"
`;
    await writeFile(join(bin, name), script, {mode: 0o755});
  };
  await wrapper('dockerd', 'usr/sbin/dockerd');
  for (const name of ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore'])
    await wrapper(name, `usr/sbin/xtables-nft-multi ${name}`.replace(' ', '" "'));
  for (const [name, path] of Object.entries(PROGRAMS)) await cp(join(whole, 'root', path), join(bin, name), {dereference: true});
}

/** A bare Debian with apt, as its own images have it. */
async function makeDebian(work: string, root: string, to: string): Promise<void> {
  const folder = join(work, 'debian');
  await command('sh', [join(root, 'usr/sbin/debootstrap'), '--variant=minbase', 'bookworm', folder, await debianMirror()], {
    env: {...process.env, DEBOOTSTRAP_DIR: join(root, 'usr/share/debootstrap')},
    timeoutMs: 600_000,
  });
  await rm(join(folder, 'var/cache/apt/archives'), {recursive: true, force: true});
  await rm(join(folder, 'var/lib/apt/lists'), {recursive: true, force: true});
  for (const path of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial']) await mkdir(join(folder, path), {recursive: true});
  await command('tar', ['--create', '--numeric-owner', '--file', to, '--directory', folder, '.']);
}
