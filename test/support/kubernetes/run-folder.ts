import {randomBytes} from 'node:crypto';
import {mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {withLock} from '../../../scripts/lock.mjs';
import {removeCgroup} from './cgroups.ts';
import {endProcess, identify, isAlive, isFromHere} from './process-id.ts';
import {rigCacheDir} from './recipe.ts';
import type {ProcessId} from './process-id.ts';

/** What one run of the rig has outside its namespaces: a folder and a cgroup, both named after its id. */
export interface RunFolder {
  readonly id: string;
  readonly folder: string;
  readonly cgroup: string;
}

const runsDir = (): string => join(rigCacheDir(), 'runs');
const runFolder = (id: string): RunFolder => ({id, folder: join(runsDir(), id), cgroup: `scanplane-k8s-${id}`});

/** A folder that says whose it is from the moment that others can see it. */
export async function createRunFolder(): Promise<RunFolder> {
  const run = runFolder(randomBytes(4).toString('hex'));
  await mkdir(runsDir(), {recursive: true, mode: 0o700});
  const draft = await mkdtemp(join(rigCacheDir(), 'draft-'));
  await writeFile(join(draft, 'runner.json'), JSON.stringify(identify(process.pid)));
  await rename(draft, run.folder);
  return run;
}

/** Remembers the process with which everything in the namespaces goes. */
export async function recordInit(run: RunFolder, pid: number): Promise<void> {
  await writeFile(join(run.folder, 'init.json'), JSON.stringify(identify(pid) ?? null));
}

/** Ends what runs, and removes cgroup and folder. Safe to repeat. */
export async function removeRun(run: RunFolder): Promise<void> {
  const init = await readId(run.folder, 'init.json');
  if (init !== undefined) await endProcess(init, 0);
  await removeCgroup(run.cgroup);
  await rm(run.folder, {recursive: true, force: true, maxRetries: 5, retryDelay: 200});
}

/** Removes what runs left whose process is gone, say after SIGKILL. Runs that go on, and those of other PID namespaces or boots that may, stay. */
export async function removeAbandonedRuns(say: (line: string) => void): Promise<void> {
  await withLock(`kubernetes runs ${runsDir()}`, async () => {
    for (const id of await readdir(runsDir()).catch(() => [])) {
      const run = runFolder(id);
      const runner = await readId(run.folder, 'runner.json');
      if (runner === undefined || isAlive(runner)) continue;
      const isOfAnEarlierBoot = runner.bootId !== identify(process.pid)?.bootId;
      if (!isFromHere(runner) && !isOfAnEarlierBoot) continue;
      say(`Removing what the run ${id} left, which was killed.`);
      await removeRun(run);
    }
  });
}

async function readId(folder: string, name: string): Promise<ProcessId | undefined> {
  try {
    return (JSON.parse(await readFile(join(folder, name), 'utf8')) as ProcessId | null) ?? undefined;
  } catch {
    return undefined; // not written yet, or being removed
  }
}
