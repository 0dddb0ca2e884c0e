import {expect, test} from 'vitest';
import {Launcher} from '../../src/controllers/launcher.ts';
import type {JobObservation, JobSpec} from '../../src/engines/engine.ts';
import type {PlannedJob} from '../../src/schema/chain.ts';
import type {SkymapSpec} from '../../src/schema/scan.ts';
import type {Cache} from '../../src/store/cache.ts';
import {aSpec, entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';

/** Keeps what it is asked to run. */
class KeepingEngine extends FakeEngine {
  readonly specs: JobSpec[] = [];

  override ensure(job: JobSpec): Promise<JobObservation> {
    this.specs.push(job);
    return super.ensure(job);
  }
}

/** The environment that a job of a scan is given. */
async function environmentOf(spec: SkymapSpec, type: PlannedJob['type']): Promise<Map<string, string>> {
  const engine = new KeepingEngine();
  const settings = {scanner_server: ['server'], worker: ['worker'], env: [['FROM_CLUSTER', 'c']] as const};
  const clusters = new Map([['local', entry({engine: 'process', capacity: 8, settings})]]);
  const cache = {clusters, meta: undefined, bad: new Map()} as unknown as Cache;
  const config = {
    scannerAddress: 'http://api.example',
    reportAddress: '',
    jobs: {host: []},
    scripts: {apiAddress: '', etcdEndpoints: [], etcdPrefix: ''},
    outputLimitBytes: 1024,
    stopGraceMs: 0,
    orphanAfterMs: 0,
  };
  const launcher = new Launcher(cache, new Map([['process', engine]]), config);
  const planned: PlannedJob = {type, cluster: 'local', count: 1, retry: 0};
  const ref = {scanId: 's1', job: 'j', try: 1};
  launcher.intend(ref, planned, '2026-01-01T00:00:00.000Z');
  await launcher.launch(ref, planned, {kind: 'skymap', spec}, {epoch: 1, revision: 1});
  return new Map(engine.specs[0]?.env ?? []);
}

const older = {max_worker_runtime: 60, skyscan_mq_client_timeout_wait_for_first_message: 5};

test('what only an older version can ask for is handed to the scanner and to its workers', async () => {
  const spec: SkymapSpec = {...aSpec({docker_tag: '3.22.0', older}), generation: 'v1'};
  const server = await environmentOf(spec, 'scanner-server');
  expect(server.get('SKYSCAN_SKYDRIVER_ADDRESS')).toBe('http://api.example/v1');
  const workers = await environmentOf(spec, 'workers');
  for (const env of [server, workers]) {
    expect(env.get('FROM_CLUSTER')).toBe('c');
    expect(env.get('EWMS_WORKER_MAX_WORKER_RUNTIME')).toBe('60');
    expect(env.get('SKYSCAN_MQ_CLIENT_TIMEOUT_WAIT_FOR_FIRST_MESSAGE')).toBe('5');
  }
  expect(workers.has('SKYSCAN_SKYDRIVER_AUTH')).toBe(false);
});

test('a scan asked through the newest version gets the address as it is, and its workers nothing more', async () => {
  expect((await environmentOf(aSpec(), 'scanner-server')).get('SKYSCAN_SKYDRIVER_ADDRESS')).toBe('http://api.example');
  expect([...(await environmentOf(aSpec(), 'workers'))]).toEqual([['FROM_CLUSTER', 'c']]);
});

test('an HTTP call or a class is refused on a cluster of another engine, with the reason; a command is not', async () => {
  const engine = new KeepingEngine();
  Object.assign(engine, {name: 'other'});
  const clusters = new Map([['remote', entry({engine: 'other', capacity: 8, settings: {}})]]);
  const cache = {clusters, meta: undefined, bad: new Map()} as unknown as Cache;
  const config = {
    scannerAddress: '',
    reportAddress: '',
    jobs: {host: ['host']},
    scripts: {apiAddress: '', etcdEndpoints: [], etcdPrefix: ''},
    outputLimitBytes: 1024,
    stopGraceMs: 0,
    orphanAfterMs: 0,
  };
  const launcher = new Launcher(cache, new Map([['other', engine]]), config);
  const types = {
    call: {run: {kind: 'http', method: 'GET', url: 'http://api.example', expect: [200]}},
    object: {run: {kind: 'class'}},
    shell: {run: {kind: 'command', command: ['true']}},
  } as const;
  const launch = (type: string): Promise<JobObservation> => {
    const planned: PlannedJob = {type, cluster: 'remote', count: 1, retry: 0};
    const ref = {scanId: 'r1', job: type, try: 1};
    launcher.intend(ref, planned, '');
    return launcher.launch(ref, planned, {kind: 'chain', requestType: 't', planned, types, data: {}}, {epoch: 1, revision: 1});
  };
  await expect(launch('call')).rejects.toThrow('job type call is an HTTP call, which only clusters with the process engine can run');
  await expect(launch('object')).rejects.toThrow('job type object is a class');
  await expect(launch('constructor')).rejects.toThrow('unknown job type constructor');
  await expect(launch('shell')).resolves.toMatchObject({kind: 'running'});
});

test('on a Kubernetes cluster a scan gets the image of its release and the memory that it asked for', async () => {
  const engine = new KeepingEngine();
  const kubernetes = Object.assign(engine, {name: 'kubernetes'});
  const settings = {scanner_server: ['server'], worker: ['worker'], image: 'icecube/skymap_scanner:${docker_tag}'};
  const clusters = new Map([['k8s', entry({engine: 'kubernetes', capacity: 8, settings})]]);
  const cache = {clusters, meta: undefined, bad: new Map()} as unknown as Cache;
  const config = {
    scannerAddress: '',
    reportAddress: '',
    jobs: {host: []},
    outputLimitBytes: 1024,
    stopGraceMs: 0,
    orphanAfterMs: 0,
    scripts: {apiAddress: '', etcdEndpoints: [], etcdPrefix: ''},
  };
  const launcher = new Launcher(cache, new Map([['kubernetes/k8s', kubernetes]]), config);
  const spec = aSpec({docker_tag: '3.$&', scanner_server_memory_bytes: 1000, worker_memory_bytes: 2000});
  for (const type of ['scanner-server', 'workers']) {
    const planned: PlannedJob = {type, cluster: 'k8s', count: 3, retry: 0};
    const ref = {scanId: 's1', job: type, try: 1};
    launcher.intend(ref, planned, '2026-01-01T00:00:00.000Z');
    await launcher.launch(ref, planned, {kind: 'skymap', spec}, {epoch: 1, revision: 1});
  }
  expect(engine.specs).toMatchObject([
    {image: 'icecube/skymap_scanner:3.$&', resources: {limits: {memory: '1000'}, requests: {memory: '1000'}}},
    {image: 'icecube/skymap_scanner:3.$&', resources: {limits: {memory: '2000'}}, count: 3},
  ]);
});
