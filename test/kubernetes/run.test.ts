import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {afterEach, describe, expect, test, vi} from 'vitest';
import {whyNot} from '../support/kubernetes/why-not.ts';

const RUN = join(import.meta.dirname, '..', 'support', 'kubernetes', 'run.ts');

function run(args: readonly string[], env: NodeJS.ProcessEnv): {code: number | null; out: string; said: string} {
  const {status, stdout, stderr} = spawnSync(process.execPath, [RUN, ...args], {encoding: 'utf8', env: {...process.env, ...env}});
  return {code: status, out: stdout, said: stderr};
}

test('with KUBECONFIG the command simply runs: nothing is built or started, and its exit code is handed on', () => {
  const {code, out, said} = run(['sh', '-c', 'echo "$KUBECONFIG"; exit 7'], {KUBECONFIG: '/somewhere/config', XDG_CACHE_HOME: '/nowhere'});
  expect({code, out, said}).toEqual({code: 7, out: '/somewhere/config\n', said: 'Using the cluster of KUBECONFIG (/somewhere/config).\n'});
});

test('a command that a signal ended is not taken for a success', () => {
  expect(run(['sh', '-c', 'kill -9 $$'], {KUBECONFIG: '/somewhere/config'}).code).toBe(137);
});

test('without a command it says how to use it', () => {
  expect(run([], {})).toEqual({code: 2, out: '', said: 'usage: node run.ts COMMAND [ARGUMENT...]\n'});
});

describe.runIf(process.platform === 'linux' && process.getuid?.() === 0)('where a tool is missing', () => {
  const env = {KUBECONFIG: '', PATH: '/nowhere', XDG_CACHE_HOME: '/tmp'};
  const print = [process.execPath, '--print', 'process.env.SCANPLANE_RIG_WHY_NOT'];

  test('whoever runs it by hand is told what to install', () => {
    const {code, out, said} = run(print, {...env, CI: ''});
    expect({code, out}).toEqual({code: 1, out: ''});
    expect(said).toMatch(/^running Kubernetes needs these packages: apt-get install .*util-linux/);
  });

  test('the tests of CI run, and skip with that reason', () => {
    const {code, out, said} = run(print, {...env, CI: 'true'});
    expect(code).toBe(0);
    expect(out).toMatch(/^running Kubernetes needs these packages: apt-get install .*util-linux/);
    expect(said).toMatch(/^SKIPPED: there is no Kubernetes for these tests: running Kubernetes needs/);
  });
});

describe('a machine that can never run it gives its reason', () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  test.runIf(process.platform === 'linux')('an ordinary user', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000);
    expect(await whyNot()).toBe('it needs root, for namespaces, mounts and cgroups of its own');
  });

  test('another system', async () => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    expect(await whyNot()).toBe('it needs Linux, and this is darwin');
  });

  test('a cache folder that would be hidden inside', async ({skip}) => {
    const other = await whyNot().catch((err: unknown) => (err as Error).message);
    if (other !== undefined) return skip(`this machine has another reason: ${other}`);
    vi.stubEnv('XDG_CACHE_HOME', '/var/lib/jenkins/.cache');
    expect(await whyNot()).toBe('the cache folder is in /var/lib, which is hidden within the rig');
  });
});
