import {existsSync, readFileSync, realpathSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, sep} from 'node:path';
import {makeCgroup, removeCgroup} from './cgroups.ts';
import {command} from './command.ts';
import {buildDir, rigCacheDir} from './recipe.ts';

/** Folders that are the rig's own within it: nothing that the tests need may be below them. */
const HIDDEN = ['/run', '/var/lib', '/var/log'];
const ROOT = join(import.meta.dirname, '..', '..', '..');

/**
 * Why a cluster of our own can never run on this machine, in the words that the user reads; `undefined` if it can.
 *
 * What the user can mend with a package is no such reason, but an error: see {@link requireTools}.
 */
export async function whyNot(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `it needs Linux, and this is ${process.platform}`;
  if (process.arch !== 'x64' && process.arch !== 'arm64') return `it is known to run on x64 and arm64, and this is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'it needs root, for namespaces, mounts and cgroups of its own';
  if (!isRootOfTheMachine()) return 'it needs the root of the machine, and this is the root of a user namespace';
  if (!existsSync(buildDir()) && !existsSync('/usr/bin/apt-get')) return 'it is built from packages of Debian by apt-get, which is not here';
  for (const [what, path] of [
    ['checkout', ROOT] as const,
    ['folder for temporary files', tmpdir()] as const,
    ['cache folder', rigCacheDir()] as const,
  ]) {
    const hidden = HIDDEN.find((folder) => `${nearestReal(path)}${sep}`.startsWith(`${folder}${sep}`));
    if (hidden !== undefined) return `the ${what} is in ${hidden}, which is hidden within the rig`;
  }
  await requireTools();
  try {
    await command('unshare', [...NAMESPACES, 'mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  } catch (err) {
    return `namespaces of its own are not allowed here (${lastLine(err)})`;
  }
  try {
    const probe = `scanplane-k8s-probe-${process.pid}`;
    makeCgroup(probe);
    await removeCgroup(probe);
  } catch (err) {
    return `cgroups of its own are not allowed here (${lastLine(err)})`;
  }
  return undefined;
}

/** Namespaces of their own for everything that runs in the rig. They go with their first process, which goes with `unshare`. */
export const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--mount-proc', '--propagation', 'private', '--kill-child=KILL'];

/** What a run calls, and the Debian package that has it. */
const TOOLS = {unshare: 'util-linux', setpriv: 'util-linux', mount: 'mount', bash: 'bash', openssl: 'openssl'} as const;

async function requireTools(): Promise<void> {
  const lacking = new Set<string>();
  for (const [tool, name] of Object.entries(TOOLS)) {
    await command('sh', ['-c', 'command -v "$0"', tool]).catch(() => lacking.add(name));
  }
  if (lacking.size > 0) throw new Error(`running Kubernetes needs these packages: apt-get install ${[...lacking].join(' ')}`);
}

/** @see https://man7.org/linux/man-pages/man7/user_namespaces.7.html the first user namespace maps all 32-bit ids to themselves */
function isRootOfTheMachine(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

const lastLine = (err: unknown): string => (err as Error).message.trim().split('\n').at(-1) ?? '';

/** Without symbolic links, as far as it is there yet. */
function nearestReal(path: string): string {
  return existsSync(path) ? realpathSync(path) : join(nearestReal(join(path, '..')), path.slice(path.lastIndexOf(sep) + 1));
}
