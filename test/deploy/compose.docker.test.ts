import {cpSync, readFileSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {must} from '../../src/lib/assert.ts';
import {buildProxy, importBases} from '../support/docker/bases.ts';
import {startDocker} from '../support/docker/engine.ts';
import type {DockerEngine} from '../support/docker/engine.ts';
import {ensureDockerPackages} from '../support/docker/packages.ts';
import {eventually} from '../support/eventually.ts';
import {makeCgroup} from '../support/kubernetes/cgroups.ts';
import {command} from '../support/kubernetes/command.ts';
import {createRunFolder, removeAbandonedRuns, removeRun} from '../support/kubernetes/run-folder.ts';
import type {RunFolder} from '../support/kubernetes/run-folder.ts';
import {whyNot} from '../support/kubernetes/why-not.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CALL = join(ROOT, 'test/support/docker/call.ts');
const DOOR = 'https://localhost:8443';
const MINUTE_MS = 60_000;
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const reason = await whyNot();

/** The images are built as the README says, by a Docker engine, from imported bases; then everything of compose.yaml runs. */
describe.skipIf(reason !== undefined)(`on a Docker engine${reason === undefined ? '' : ` (not here: ${reason})`}`, () => {
  let run: RunFolder;
  let engine: DockerEngine | undefined;
  let deploy: string;
  let token: string;

  const running = (): DockerEngine => must(engine, 'it was started');
  const compose = async (...args: readonly string[]): Promise<string> =>
    running().compose(['--file', join(deploy, 'compose.yaml'), ...args], {
      timeoutMs: 5 * MINUTE_MS,
      env: {PROXY_IMAGE: 'scanplane-haproxy'},
    });
  const call = async (method: string, path: string, body?: unknown): Promise<{readonly status: number; readonly body: unknown}> => {
    const said = await running().inside(process.execPath, [CALL, method, `${DOOR}${path}`, token], {
      input: body === undefined ? '' : JSON.stringify(body),
      env: {...process.env, NODE_EXTRA_CA_CERTS: join(deploy, 'secrets', 'ca.crt')},
    });
    return JSON.parse(said) as {status: number; body: unknown};
  };

  beforeAll(async () => {
    await removeAbandonedRuns(say);
    const packages = await ensureDockerPackages(say);
    run = await createRunFolder();
    makeCgroup(run.cgroup);
    deploy = join(run.folder, 'deploy');
    cpSync(join(ROOT, 'deploy'), deploy, {recursive: true, filter: (path) => !path.endsWith('/secrets')});
    engine = await startDocker(run, packages, 'machine');
    await mkdir(join(run.folder, 'bases'));
    await importBases(engine, packages, join(run.folder, 'bases'));
    for (const target of ['scanplane', 'scanner', 'etcd']) {
      const tag = target === 'scanplane' ? target : `scanplane-${target}`;
      await engine.docker(['build', '--network=host', '--file', join(ROOT, 'deploy/Dockerfile'), '--target', target, '--tag', tag, ROOT], {
        timeoutMs: 8 * MINUTE_MS,
        env: {DOCKER_BUILDKIT: '1'},
      });
    }
    await buildProxy(engine, join(run.folder, 'proxy'), 'scanplane-haproxy');
    await engine.stop();
    engine = await startDocker(run, packages, 'own');
    await command('sh', [join(deploy, 'certificates.sh')]);
    token = readFileSync(join(deploy, 'secrets', 'first-token'), 'utf8');
    await compose('config', '--quiet');
    await compose('up', '--no-build', '--detach', '--wait');
  }, 15 * MINUTE_MS);

  afterAll(async () => {
    await engine?.stop();
    if (run !== undefined) await removeRun(run);
  }, MINUTE_MS);

  const container = async (service: string): Promise<string> => (await compose('ps', '--all', '--quiet', service)).trim();
  const etcdctl = async (...args: readonly string[]): Promise<string> => compose('exec', '--no-TTY', 'etcd-3', 'etcdctl', ...args);
  const post = async (nsides: Readonly<Record<string, number>>): Promise<string> => {
    const event: unknown = JSON.parse(readFileSync(join(ROOT, 'examples/events/sample-event.json'), 'utf8'));
    const {status, body} = await call('POST', '/v2/scan', {
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: event, nsides, real_or_simulated_event: 'real'},
      ...{max_pixel_reco_time: 60, request_clusters: {local: 2}},
    });
    expect({status, body}).toMatchObject({status: 200, body: {scan_id: expect.any(String)}});
    return (body as {scan_id: string}).scan_id;
  };
  const untilComplete = async (scanId: string, pixels: number): Promise<void> => {
    await eventually(
      async () => {
        const state = JSON.parse((await etcdctl('get', '--print-value-only', `/scan/${scanId}/state`)) || '{}') as {name?: string; reason?: string};
        if (state.name !== 'COMPLETE') throw new Error(`${JSON.stringify(state)}\n${await compose('logs', '--tail', '20')}`);
      },
      {timeoutMs: 3 * MINUTE_MS, everyMs: 1000},
    );
    const {body} = await call('GET', `/v2/scan/${scanId}/result`);
    const {is_final: isFinal, skyscan_result: result} = body as {is_final: boolean; skyscan_result: Record<string, {data: readonly unknown[]}>};
    expect(isFinal).toBe(true);
    expect(Object.values(result).flatMap(({data}) => data).length).toBeGreaterThanOrEqual(pixels);
  };

  test('the images run as a user without rights, read-only, without network, and stop on SIGTERM', async () => {
    const {docker} = running();
    const confined = ['run', '--rm', '--read-only', '--network=none', '--cap-drop=ALL', '--security-opt=no-new-privileges'];
    expect(await docker([...confined, 'scanplane', 'token', 'ada', 'user'])).toContain('"name":"ada"');
    expect(await docker([...confined, '--entrypoint=node', 'scanplane-scanner', '--print', 'process.getuid()'])).toBe('65532\n');
    for (const image of ['scanplane', 'scanplane-scanner', 'scanplane-etcd']) {
      const [config] = JSON.parse(await docker(['image', 'inspect', '--format', '[{{json .Config}}]', image])) as [Record<string, unknown>];
      expect(config).toMatchObject({User: '65532:65532', StopSignal: 'SIGTERM'});
    }
    // Nothing that is for building or testing only.
    const list = `Object.keys(JSON.parse(fs.readFileSync('/app/node_modules/.package-lock.json', 'utf8')).packages).join(' ')`;
    const modules = await docker([...confined, '--entrypoint=node', 'scanplane', '--print', list]);
    expect(modules).toContain('node_modules/koa');
    expect(modules).not.toMatch(/typescript|vitest|testcontainers/);
  });

  test('one address is published, on loopback; who has no token and who asks for figures is turned away there', async () => {
    const {docker} = running();
    const ports = (await docker(['ps', '--format', '{{.Ports}}'])).split('\n').filter((line) => line.includes('->'));
    expect(ports).toEqual(['127.0.0.1:8443->8443/tcp']);
    expect(await call('GET', '/readyz')).toMatchObject({status: 200, body: {status: 'ok'}});
    expect((await call('GET', '/metrics')).status).toBe(404);
    const right = token;
    token = 'wrong';
    try {
      expect((await call('GET', '/v2/scans/backlog')).status).toBe(403);
    } finally {
      token = right;
    }
  });

  test('a scan runs to its final result', async () => {
    await untilComplete(await post({'8': 0}), 768);
  });

  test('with one API, one member of etcd and no request lost: the rest goes on', async () => {
    let isStopping = true;
    const stopped = compose('stop', 'api-1', 'etcd-1').finally(() => (isStopping = false));
    const answers: {readonly status: number; readonly body: unknown}[] = [];
    while (isStopping) answers.push(await call('GET', '/v2/scans/backlog'));
    await stopped;
    expect(answers.filter(({status}) => status !== 200)).toEqual([]);
    await untilComplete(await post({'4': 0}), 192);
    await compose('start', 'api-1', 'etcd-1');
    await compose('up', '--no-build', '--detach', '--wait');
  });

  test('a controller whose container is killed takes its jobs along, and the other one runs the scan again', async () => {
    const scanId = await post({'16': 0});
    const {docker} = running();
    const owner = await eventually(
      async () => {
        const [state, key] = [
          await etcdctl('get', '--print-value-only', `/scan/${scanId}/state`),
          await etcdctl('get', '--print-value-only', `/scan/${scanId}/owner`),
        ];
        expect(state).toContain('RUNNING');
        return (JSON.parse(key) as {hostname: string}).hostname;
      },
      {timeoutMs: MINUTE_MS, everyMs: 500},
    );
    const ids = [await container('controllers-1'), await container('controllers-2')];
    const leader = must(
      ids.find((id) => id.startsWith(owner)),
      'the name of a container is the beginning of its id',
    );
    await docker(['kill', leader]);
    await untilComplete(scanId, 3072);
    await docker(['start', leader]);
  });
});
