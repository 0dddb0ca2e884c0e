import {existsSync} from 'node:fs';
import {copyFile, cp, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {withLock} from '../../../scripts/lock.mjs';
import {openApt} from './apt.ts';
import {command} from './command.ts';
import {buildKubernetes} from './go-build.ts';
import {packBusybox, packPause} from './base-images.ts';
import {RECIPE, buildDir} from './recipe.ts';

/** Folders of this build that its readers use. */
export interface Build {
  /** Every program, kubectl and iptables among them. */
  readonly bin: string;
  /** CNI plugins. */
  readonly cni: string;
  /** Archives of `localhost/pause:1` and `localhost/busybox:1`. */
  readonly images: string;
}

/** What the build calls, and the Debian package that has it. */
const TOOLS = {
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
  'dpkg-source': 'dpkg-dev',
  patch: 'patch',
  gcc: 'gcc',
  nice: 'coreutils',
  setpriv: 'util-linux',
} as const satisfies Record<string, string>;

const STATIC_LIBC = ['/usr/lib/x86_64-linux-gnu/libc.a', '/usr/lib/aarch64-linux-gnu/libc.a', '/usr/lib/libc.a'];
const KEEP_UNUSED_MS = 30 * 24 * 3600 * 1000;

/**
 * Builds Kubernetes for the rig, or finds it in the cache. Takes 5 to 13 minutes on two cores, 3 GB of disk while it works and 0.5 GB afterwards.
 *
 * One process at a time builds. What is in the cache under its digest is whole: it is put there by a rename at the end. Nothing is installed.
 *
 * @throws Error that names every package this machine lacks; CommandError from a step that failed.
 */
export async function ensureBuild(say: (line: string) => void): Promise<Build> {
  const target = buildDir();
  if (!existsSync(target)) {
    await withLock(
      `kubernetes ${dirname(target)}`,
      () => buildInto(target, say),
      () => say('Waiting: another process is building Kubernetes.'),
    );
  }
  const now = new Date();
  await utimes(target, now, now).catch(() => {}); // only says when it was last used
  return {bin: join(target, 'bin'), cni: join(target, 'cni'), images: join(target, 'images')};
}

async function buildInto(target: string, say: (line: string) => void): Promise<void> {
  if (existsSync(target)) return; // built by whoever held the lock before us
  const lacking = await lackingPackages();
  if (lacking.length > 0) throw new Error(`building Kubernetes needs these Debian packages: apt-get install ${lacking.join(' ')}`);
  const builds = dirname(target);
  await mkdir(builds, {recursive: true});
  await removeOld(builds);
  const work = await mkdtemp(join(builds, 'tmp-'));
  const startedAt = performance.now();
  const step = (what: string): void => say(`  ${String(Math.round((performance.now() - startedAt) / 1000)).padStart(4)} s  ${what}`);
  say(`Building Kubernetes ${RECIPE.version.gitVersion} from Debian's source, once, into ${builds} (nothing is installed) …`);
  try {
    step(`packages of ${RECIPE.suite}`);
    const apt = await openApt(work, RECIPE.suite);
    const runtime = join(work, 'runtime');
    const firewall = join(work, 'firewall');
    await apt.unpack(RECIPE.runtime, runtime);
    await apt.unpack(RECIPE.firewall, firewall);
    const whole = join(work, 'whole');
    await mkdir(join(whole, 'bin'), {recursive: true});
    await collect(runtime, firewall, whole);
    await mkdir(join(whole, 'images'));
    await packPause(work, join(whole, 'images', 'pause.tar'));
    await packBusybox(join(runtime, 'bin', 'busybox'), join(whole, 'images', 'busybox.tar'));
    await buildKubernetes(apt, work, join(whole, 'bin'), step);
    await rename(whole, target);
    step('done');
  } finally {
    await rm(work, {recursive: true, force: true, maxRetries: 3});
  }
}

async function lackingPackages(): Promise<readonly string[]> {
  const lacking = new Set<string>();
  for (const [tool, name] of Object.entries(TOOLS)) {
    await command('sh', ['-c', 'command -v "$0"', tool]).catch(() => lacking.add(name));
  }
  if (!STATIC_LIBC.some((path) => existsSync(path))) lacking.add('libc6-dev');
  if (!existsSync('/usr/share/keyrings/debian-archive-keyring.gpg')) lacking.add('debian-archive-keyring');
  return [...lacking];
}

/** What a killed build left, and builds of other recipes that nobody has used for a month. Called by the holder of the lock. */
async function removeOld(builds: string): Promise<void> {
  for (const entry of await readdir(builds, {withFileTypes: true})) {
    const path = join(builds, entry.name);
    const {mtimeMs} = await stat(path);
    if (entry.name.startsWith('tmp-') || mtimeMs < Date.now() - KEEP_UNUSED_MS) await rm(path, {recursive: true, force: true, maxRetries: 3});
  }
}

/** Takes the programs out of the unpacked packages. */
async function collect(runtime: string, firewall: string, whole: string): Promise<void> {
  const bin = join(whole, 'bin');
  for (const path of [
    'bin/busybox',
    'usr/bin/etcd',
    'usr/bin/containerd',
    'usr/bin/containerd-shim-runc-v2',
    'usr/bin/ctr',
    'usr/sbin/runc',
    'usr/bin/kubectl',
  ]) {
    await copyFile(join(runtime, path), join(bin, path.slice(path.lastIndexOf('/') + 1)));
  }
  await mkdir(join(whole, 'cni'));
  for (const plugin of ['ptp', 'host-local', 'loopback']) await copyFile(join(runtime, 'usr/lib/cni', plugin), join(whole, 'cni', plugin));
  await collectIptables(firewall, whole, bin);
}

/** iptables is one program under many names, and finds its extensions and libraries by the environment. The wrappers find both beside themselves. */
async function collectIptables(firewall: string, whole: string, bin: string): Promise<void> {
  const inside = join(whole, 'iptables');
  await cp(firewall, inside, {recursive: true, verbatimSymlinks: true});
  const libraries = (await readdir(join(inside, 'usr', 'lib'))).find((name) => name.endsWith('-linux-gnu'));
  if (libraries === undefined) throw new Error('the iptables package has no libraries where Debian puts them');
  for (const name of ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore']) {
    const script = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")/../iptables/usr
export LD_LIBRARY_PATH="$here/lib/${libraries}" XTABLES_LIBDIR="$here/lib/${libraries}/xtables"
exec "$here/sbin/xtables-nft-multi" ${name} "$@"
`;
    await writeFile(join(bin, name), script, {mode: 0o755});
  }
}
