import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, onTestFinished, test, vi} from 'vitest';
import {must} from '../../src/lib/assert.ts';
import {eventually} from '../support/eventually.ts';
import {endProcess, identify, isAlive} from '../support/kubernetes/process-id.ts';
import {createRunFolder, recordInit, removeAbandonedRuns, removeRun} from '../support/kubernetes/run-folder.ts';
import type {ProcessId} from '../support/kubernetes/process-id.ts';

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'scanplane-runs-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, {recursive: true, force: true});
});

/** A process that would go on for ever. */
function sleeper(): ProcessId {
  const child = spawn('sleep', ['infinity'], {stdio: 'ignore'});
  onTestFinished(() => void child.kill('SIGKILL'));
  return must(identify(must(child.pid, 'it starts')), 'it runs');
}

async function sweep(): Promise<readonly string[]> {
  const said: string[] = [];
  await removeAbandonedRuns((line) => said.push(line));
  return said;
}

describe.runIf(process.platform === 'linux')('on Linux', () => {
  test('a process is itself only with its start time', async () => {
    const id = sleeper();
    expect(isAlive(id)).toBe(true);
    expect(isAlive({...id, startTicks: '1'})).toBe(false);
    expect(isAlive({...id, bootId: 'another boot'})).toBe(false);
    await endProcess(id, 0);
    expect(isAlive(id)).toBe(false);
  });

  test('a process that does not listen is ended all the same', async () => {
    const child = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.05; done'], {stdio: ['ignore', 'pipe', 'ignore']});
    const id = must(identify(must(child.pid, 'it starts')), 'it runs');
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await endProcess(id, 100);
    expect(isAlive(id)).toBe(false);
  });

  test('a run that goes on is left alone by the start of the next', async () => {
    const run = await createRunFolder();
    expect(await sweep()).toEqual([]);
    expect(existsSync(run.folder)).toBe(true);
    await removeRun(run);
    expect(existsSync(run.folder)).toBe(false);
  });

  test('what a killed run left is removed by the start of the next, and what still ran of it is ended', async () => {
    const run = await createRunFolder();
    const init = sleeper();
    await recordInit(run, init.pid);
    await writeRunner(run.folder, {...must(identify(process.pid), 'this process'), startTicks: '1'});
    expect(await sweep()).toEqual([`Removing what the run ${run.id} left, which was killed.`]);
    expect(existsSync(run.folder)).toBe(false);
    await eventually(() => !isAlive(init));
  });

  test('a run of another container that shares the cache is not taken for a killed one; one from before a reboot is', async () => {
    const here = must(identify(process.pid), 'this process');
    const elsewhere = await createRunFolder();
    await writeRunner(elsewhere.folder, {...here, startTicks: '1', pidNamespace: 'pid:[1]'});
    const earlier = await createRunFolder();
    await writeRunner(earlier.folder, {...here, bootId: 'another boot'});
    await sweep();
    expect(existsSync(elsewhere.folder)).toBe(true);
    expect(existsSync(earlier.folder)).toBe(false);
  });

  test('a folder without a word of whose it is stays', async () => {
    const folder = join(cache, 'scanplane', 'kubernetes', 'runs', 'what');
    await mkdir(folder, {recursive: true});
    expect(await sweep()).toEqual([]);
    expect(existsSync(folder)).toBe(true);
  });
});

async function writeRunner(folder: string, id: ProcessId): Promise<void> {
  await writeFile(join(folder, 'runner.json'), JSON.stringify(id));
}
