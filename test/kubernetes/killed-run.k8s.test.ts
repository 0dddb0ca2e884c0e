import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, globSync} from 'node:fs';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, onTestFinished} from 'vitest';
import {eventually} from '../support/eventually.ts';
import {removeAbandonedRuns} from '../support/kubernetes/run-folder.ts';
import {test} from '../support/kubernetes/rig.ts';

const RUN = join(import.meta.dirname, '..', 'support', 'kubernetes', 'run.ts');

/** Command lines of all processes that mention it. */
async function processesOf(text: string): Promise<readonly string[]> {
  const lines = await Promise.all(globSync('/proc/[0-9]*/cmdline').map(async (file) => readFile(file, 'latin1').catch(() => '')));
  return lines.filter((line) => line.includes(text));
}

test('a run that is killed ends at once with all it started, and the next one removes its cgroup and folder', async ({own}) => {
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-killed-'));
  onTestFinished(async () => rm(folder, {recursive: true, force: true}));
  const ready = join(folder, 'ready');
  // A second cluster beside ours: same addresses and ports, other namespaces.
  const child = spawn(process.execPath, [RUN, 'sh', '-c', 'echo "$SCANPLANE_RIG" > "$0.part"; mv "$0.part" "$0"; sleep infinity', ready], {
    stdio: 'ignore',
    env: {...process.env, KUBECONFIG: ''},
  });
  await eventually(() => existsSync(ready) || child.exitCode !== null, {timeoutMs: 150_000, everyMs: 100});
  const run = (await readFile(ready, 'utf8')).trim();
  const id = run.slice(run.lastIndexOf('/') + 1);
  expect((await processesOf(run)).some((line) => line.includes('kube-apiserver'))).toBe(true);
  expect(globSync(`/sys/fs/cgroup/{,*/}scanplane-k8s-${id}`)).not.toEqual([]);

  child.kill('SIGKILL');
  await once(child, 'exit');
  await eventually(async () => (await processesOf(run)).length === 0, {timeoutMs: 30_000});
  await removeAbandonedRuns(() => {});

  expect(existsSync(run)).toBe(false);
  expect(globSync(`/sys/fs/cgroup/{,*/}scanplane-k8s-${id}`)).toEqual([]);
  expect(await readFile('/proc/mounts', 'utf8')).not.toContain(run);
  expect(await own.kubectl(['get', 'namespace', own.namespace, '-o', 'name'])).toBe(`namespace/${own.namespace}\n`);
});
