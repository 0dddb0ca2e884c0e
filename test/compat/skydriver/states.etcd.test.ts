import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {k8sJobSettings, loadConfig} from '../../../src/config.ts';
import {EwmsClient} from '../../../src/ewms/client.ts';
import {EwmsViews} from '../../../src/ewms/views.ts';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {admissionKey, clusterKey, controlKey, jobKey} from '../../../src/schema/keys.ts';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {aJob} from '../../support/builders.ts';
import {DummyEwms} from '../../support/dummy-ewms.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let ewms: DummyEwms;
let api: TestApi;
let id: string;
let workflows = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  ewms = await DummyEwms.start();
  const client = new EwmsClient({address: ewms.address, tokenUrl: '', clientId: '', clientSecret: ''}, systemClock);
  const config = loadConfig({
    SCANPLANE_PUBLIC_ADDRESS: 'https://skydriver.ci-test.aq',
    SCANPLANE_K8S_NAMESPACE: 'test_k8s_namespace',
    SCANPLANE_K8S_APPLICATION_NAME: 'test_k8s_app_name',
    SCANPLANE_K8S_SECRET_NAME: 'super-secrets',
  });
  api = await startApi(etcd.endpoint, {k8sJob: k8sJobSettings(config)}, {ewms: new EwmsViews(client, systemClock, silentLog)});
  await put(clusterKey('osg'), {engine: 'external', capacity: 100, settings: {}});
});
afterAll(async () => {
  await api.stop();
  await ewms.goAway();
  await etcd.stop();
});
beforeEach(async () => {
  id = await api.newScan({cluster: {osg: 1}});
});

const put = (key: string, value: unknown): Promise<unknown> =>
  api.store.commit({compares: [], ops: [{put: key, value: canonicalJson(value)}]}).then(() => api.cache.catchUp());
const stateOf = async (): Promise<string> => (await api.ask('GET', `/scan/${id}/status`)).body.scan_state as string;

/** Hands the scan over to a workflow that ended so, or goes on. */
async function handOver(deactivated: string | null): Promise<void> {
  const workflow_id = `ewms${++workflows}`; // What was said of one is remembered.
  if (deactivated !== null) ewms.deactivated.set(workflow_id, deactivated);
  const answer = await api.ask('POST', `/scan/${id}/ewms/workflow-id`, {body: {workflow_id, ewms_address: ewms.address}});
  expect(answer.status).toBe(200);
}

function report(rate: unknown, finished = false): Promise<Answer> {
  const processing_stats = {start: {a: 1}, runtime: {b: 2}, ...(rate === null ? {} : {rate}), finished};
  const progress = {summary: 's', epilogue: 'e', tallies: {}, processing_stats, predictive_scanning_threshold: 1, last_updated: 'now'};
  return api.ask('PATCH', `/scan/${id}/manifest`, {body: {progress}});
}

const RATE = {abc: 123};
const ENDS = [
  ['ABORTED', 'ABORTED'],
  ['FINISHED', 'FINISHED'],
] as const;

describe('J. states', () => {
  test.each([true, false])('case 54: a final result is what counts, whatever else is said (finished: %s)', async (finished) => {
    await handOver('ABORTED');
    await report(RATE, finished);
    await api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {a: 1}, is_final: true}});
    await api.ask('DELETE', `/scan/${id}`, {body: {delete_completed_scan: true}});
    expect(await stateOf()).toBe('SCAN_HAS_FINAL_RESULT');
  });

  test.each([...ENDS, [null, 'IN_PROGRESS'] as const])('case 55: with a rate, and a workflow that is %s', async (deactivated, word) => {
    await handOver(deactivated);
    await report(RATE);
    expect(await stateOf()).toBe(`${word}__PARTIAL_RESULT_GENERATED`);
  });

  test.each([...ENDS, [null, 'IN_PROGRESS'] as const])('case 56: without a rate, and a workflow that is %s', async (deactivated, word) => {
    await handOver(deactivated);
    await report(null);
    expect(await stateOf()).toBe(`${word}__WAITING_ON_FIRST_PIXEL_RECO`);
    await report({});
    expect(await stateOf()).toBe(`${word}__WAITING_ON_FIRST_PIXEL_RECO`);
  });

  test.each([...ENDS, [null, 'PENDING'] as const])('case 57: without progress, and a workflow that is %s', async (deactivated, word) => {
    await handOver(deactivated);
    expect(await stateOf()).toBe(`${word}__WAITING_ON_SCANNER_SERVER_STARTUP`);
  });

  test('case 58: without a workflow it is at its very beginning, also when its scanner has reported, or it was aborted', async () => {
    expect(await stateOf()).toBe('PENDING__PRESTARTUP');
    await report(RATE);
    expect(await stateOf()).toBe('PENDING__PRESTARTUP');
    await api.ask('DELETE', `/scan/${id}`, {body: {}});
    expect((await api.ask('GET', `/scan/${id}/status`)).body).toMatchObject({scan_state: 'PENDING__PRESTARTUP', is_deleted: true});
  });

  test('case 59: a scan of version 1 whose workers are done is STOPPED', async () => {
    const {debug_mode: _, ...body} = SCAN_BODY;
    id = (await api.ask('POST', '/v1/scan', {body})).body.scan_id as string;
    await put(admissionKey(id), {slots: {foobar: 1}});
    await put(jobKey(id, 'workers-1'), aJob({type: 'workers', cluster: 'foobar'}));
    await report(RATE);
    expect(await stateOf()).toBe('IN_PROGRESS__PARTIAL_RESULT_GENERATED');
    await put(controlKey(id), {desired: 'stop'});
    expect(await stateOf()).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect((await api.ask('GET', `/v1/scan/${id}/status`)).body).toMatchObject({
      scan_state: 'STOPPED__PARTIAL_RESULT_GENERATED',
      scan_complete: true,
    });
  });
});

test('case 6: the Kubernetes job of a stored scan is the reference’s, without its secrets', async () => {
  const clusters = [
    ['foobar', 1],
    ['a-schedd', 999],
    ['cloud', 4568],
    ['a-schedd', 1234],
    ['cloud', 5678],
  ];
  id = await api.newScan({cluster: clusters, docker_tag: '3.4.0'});
  const {body} = await api.ask('GET', `/scan/${id}/k8s-job`);
  expect(body).toMatchObject({scan_id: id, k8s_started_ts: null, skyscan_k8s_job_dict: {apiVersion: 'batch/v1', kind: 'Job'}});
  const {metadata, spec} = body.skyscan_k8s_job_dict;
  expect(metadata).toMatchObject({
    name: `skyscan-${id}`,
    namespace: 'test_k8s_namespace',
    labels: {'app.kubernetes.io/instance': 'test_k8s_app_name'},
  });
  const {initContainers, containers, ...pod} = spec.template.spec;
  expect(pod).toEqual({serviceAccountName: null, restartPolicy: 'Never', volumes: [{name: 'common-space-volume', emptyDir: {}}]});
  expect([...initContainers, ...containers].map(({name}: {name: string}) => name)).toEqual([
    `init-ewms-${id}`,
    `skyscan-server-${id}`,
    `sidecar-s3-${id}`,
  ]);
  const server = containers[0];
  expect(server).toMatchObject({
    image: 'icecube/skymap_scanner:3.4.0',
    resources: {limits: {memory: '1024000000', cpu: '1.0'}, requests: {'ephemeral-storage': '8G'}},
  });
  expect(server.args.join(' ')).toBe(
    'python -m skymap_scanner.server --reco-algo anything --cache-dir /common-space --client-startup-json /common-space/startup.json ' +
      '--nsides 1:2 3:4 --real-event --predictive-scanning-threshold 1.0',
  );
  expect(server.env.at(-1)).toEqual({name: 'MY_ENV_VAR', value: 'True'});
  const init = new Map(initContainers[0].env.map(({name, value}: {name: string; value: string}) => [name, value]));
  expect(init.get('EWMS_CLUSTERS')).toBe('foobar a-schedd cloud a-schedd cloud');
  expect([init.get('EWMS_N_WORKERS'), init.get('EWMS_PILOT_DUMP_TASK_OUTPUT')]).toEqual(['1', 'True']);
  expect(init.has('EWMS_PILOT_TIMEOUT_QUEUE_INCOMING')).toBe(false);
  expect(init.get('SKYSCAN_SKYDRIVER_AUTH')).toBe('***');
});

test('case 69: everything that is wrong stands in one text: extras, then what is missing, then field by field', async () => {
  const body = {zeta: 1, alpha: 2, docker_tag: '', priority: 'high', nsides: [], max_pixel_reco_time: 0};
  const answer = await api.ask('POST', '/scan', {body});
  expect(answer.reason).toBe(
    "Additional properties are not allowed ('alpha', 'zeta' were unexpected); 'reco_algo' is a required property; " +
      "'real_or_simulated_event' is a required property; 'docker_tag': must be at least 1 characters long; " +
      "'docker_tag': must match the pattern '\\\\S'; 'nsides': must be type 'object' (dict); 'max_pixel_reco_time': must be at least 1; " +
      "'priority': must be type 'integer' (int)",
  );
});

test('case 74: a result of 8.9 MB is taken; one above the limit is refused', async () => {
  const data = Array.from({length: 65_000}, (_, i) => [i, 5678.123456789012, 123456.7890123456, 234567.8901234567, 1.5, -2.5, 3.5, 9876.5432109]);
  const skyscan_result = {'nside-64': {columns: ['index'], data: data.concat(data.slice(0, 35_000)), metadata: {nside: 64}}};
  const body = JSON.stringify({skyscan_result, is_final: false});
  expect(body.length).toBeGreaterThan(8.9e6);
  expect((await api.ask('PUT', `/scan/${id}/result`, {body})).status).toBe(200);
  expect((await api.ask('GET', `/scan/${id}/result`)).body).toEqual({scan_id: id, skyscan_result, is_final: false});
  const small = await startApi(etcd.endpoint, {bodyLimitBytes: 1_000_000});
  try {
    expect((await small.ask('PUT', `/scan/${id}/result`, {body})).status).toBe(413);
    expect((await small.ask('GET', `/scan/${id}/result`)).body.skyscan_result).toEqual(skyscan_result);
  } finally {
    await small.stop();
  }
});
