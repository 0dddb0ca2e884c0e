// `node run.ts COMMAND…`: runs a command beside a Kubernetes cluster of its own, in namespaces of their own, and leaves nothing behind.
// With KUBECONFIG set the command simply runs: that cluster is the one. Where no cluster can run here, the command runs with the reason in
// SCANPLANE_RIG_WHY_NOT, and its tests skip with it; so does in CI what a person would be asked to mend: a tool or a build that cannot be had.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {cp, rm} from 'node:fs/promises';
import {constants} from 'node:os';
import {join} from 'node:path';
import {argv} from 'node:process';
import {ensureBuild} from './build.ts';
import type {Build} from './build.ts';
import {makeCgroup} from './cgroups.ts';
import {ensureKustomize} from './kustomize.ts';
import {NETWORK} from './network.ts';
import {rigCacheDir} from './recipe.ts';
import {createRunFolder, recordInit, removeAbandonedRuns, removeRun} from './run-folder.ts';
import {writeRig} from './rig-files.ts';
import {NAMESPACES, whyNot} from './why-not.ts';
import type {RunFolder} from './run-folder.ts';

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(commandLine: readonly string[]): Promise<number> {
  if (commandLine.length === 0) {
    say('usage: node run.ts COMMAND [ARGUMENT...]');
    return 2;
  }
  if (process.env['KUBECONFIG']) {
    say(`Using the cluster of KUBECONFIG (${process.env['KUBECONFIG']}).`);
    return outcome(spawn(commandLine[0]!, commandLine.slice(1), {stdio: 'inherit'}));
  }
  const ready = await prepare();
  if ('reason' in ready) {
    const {reason} = ready;
    say(`SKIPPED: there is no Kubernetes for these tests: ${reason}. Set KUBECONFIG to use a cluster that is there.`);
    return outcome(spawn(commandLine[0]!, commandLine.slice(1), {stdio: 'inherit', env: {...process.env, SCANPLANE_RIG_WHY_NOT: reason}}));
  }
  const {build} = ready;
  await removeAbandonedRuns(say);
  const run = await createRunFolder();
  try {
    makeCgroup(run.cgroup);
    await writeRig({...run, build});
    const code = await enter(run, build.bin, commandLine);
    if (code > 0 && code < 128) await keepLogs(run);
    return code;
  } finally {
    await removeRun(run);
  }
}

/** Gets what a cluster runs from. @throws Error what whoever runs this by hand has to mend */
async function prepare(): Promise<{readonly build: Build} | {readonly reason: string}> {
  try {
    const reason = await whyNot();
    if (reason !== undefined) return {reason};
    const build = await ensureBuild(say);
    await ensureKustomize(say);
    return {build};
  } catch (err) {
    if (!process.env['CI']) throw err;
    return {reason: (err as Error).message};
  }
}

/** Runs inside.ts with the command in new namespaces. If we are killed the kernel ends all of it: `setpriv` ties `unshare` to us, and that its child. */
async function enter(run: RunFolder, programs: string, commandLine: readonly string[]): Promise<number> {
  const inside = [process.execPath, join(import.meta.dirname, 'inside.ts'), run.folder, ...commandLine];
  const script = ['bash', join(import.meta.dirname, 'enter.sh'), run.folder, programs, NETWORK.address, NETWORK.services, ...inside];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...NAMESPACES, ...script], {stdio: 'inherit'});
  const ended = outcome(child);
  // A first process takes no signal from within that it does not handle, and `unshare` keeps those from outside to itself: so the end is abrupt,
  // which is fine for what lives in namespaces. Ctrl-C comes to the tests by the terminal, and they end by themselves.
  let endedBy: NodeJS.Signals | undefined;
  const end = (signal: NodeJS.Signals = 'SIGHUP'): void => {
    endedBy = signal;
    child.kill('SIGKILL');
  };
  process.on('SIGTERM', end).on('SIGHUP', end);
  process.on('SIGINT', () => {
    if (!process.stdin.isTTY) end('SIGINT');
  });
  // An npm script may be gone without a word. By hand one may well leave us behind on purpose (nohup).
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env['npm_lifecycle_event'] !== undefined && process.ppid !== parent) end();
  }, 500);
  try {
    if (child.pid !== undefined) await recordInit(run, child.pid);
    const code = await ended;
    return endedBy === undefined ? code : 128 + constants.signals[endedBy];
  } finally {
    clearInterval(watch);
  }
}

async function outcome(child: ReturnType<typeof spawn>): Promise<number> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** The logs of the last run that failed stay, for whoever wants to know why. */
async function keepLogs(run: RunFolder): Promise<void> {
  const kept = join(rigCacheDir(), 'last-failure');
  await rm(kept, {recursive: true, force: true});
  await cp(join(run.folder, 'logs'), kept, {recursive: true}).then(
    () => say(`The logs of the cluster are in ${kept}.`),
    () => {}, // it failed before there were any
  );
}

try {
  process.exitCode = await main(argv.slice(2));
} catch (err) {
  say((err as Error).message);
  process.exitCode = 1;
}
