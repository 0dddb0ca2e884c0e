import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {ewmsKey} from '../../src/schema/keys.ts';
import {DummyEwms} from '../support/dummy-ewms.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

let etcd: TestEtcd;
let ewms: DummyEwms;
let system: TestSystem;
let settings: Record<string, string>;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  ewms = await DummyEwms.start();
  ewms.token = 'good';
  settings = {
    SCANPLANE_EWMS_ADDRESS: ewms.address,
    SCANPLANE_EWMS_TOKEN_URL: `${ewms.address}/token`,
    SCANPLANE_EWMS_CLIENT_ID: 'us',
    SCANPLANE_EWMS_CLIENT_SECRET: 'hush',
  };
  system = await TestSystem.start({etcd, settings, clusters: {osg: {engine: 'external', capacity: 10, settings: {}}}});
});
afterAll(async () => {
  await system?.stop();
  await ewms?.goAway();
  await etcd?.stop();
});

test('an owner that is killed after it has decided to end a workflow, and before it has said so, leaves that to its successor', async () => {
  const env = {
    ...settings,
    PATH: process.env['PATH'],
    SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint,
    SCANPLANE_TTL_SECONDS: '2',
    SCANPLANE_LOG_LEVEL: 'silent',
  };
  const owner = spawn(process.execPath, [MAIN, 'controllers'], {env, stdio: 'ignore'});
  try {
    const record = () => system.database.cache.scans.get('s1');
    const request = {reco_algo: 'a', nsides: [['1', 0]], request_clusters: [['osg', 1]], i3_event_id: 'e'};
    await etcd.etcdctl(['put', '/scan/s1', canonicalJson({request})]);
    await eventually(() => record()?.state?.value.name === 'RUNNING', {timeoutMs: 20_000});
    await etcd.etcdctl(['put', ewmsKey('s1'), canonicalJson({workflow_id: 'W', ewms_address: 'a'})]);
    ewms.mode = 'hangs'; // Not even a token is to be had.
    await etcd.etcdctl(['put', '/scan/s1/control', '{"desired": "stop"}']);
    await eventually(() => record()?.state?.value.workflow_ending === 'abort' && ewms.callsOf('/token').length > 0);
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    expect(ewms.callsOf('/abort')).toEqual([]);
    expect(record()?.state?.value.name).toBe('RUNNING');

    ewms.mode = 'well';
    await system.startReplica();
    await eventually(() => record()?.state?.value.name === 'STOPPED', {timeoutMs: 20_000});
    expect(ewms.callsOf('/abort').map(({path, authorization}) => [path, authorization])).toEqual([['/v1/workflows/W/actions/abort', 'Bearer good']]);
    expect(record()?.admission).toBeUndefined();
  } finally {
    owner.kill('SIGKILL');
  }
});

test.each(['..', '\ud800'])('a scan handed over under an id that no workflow can have (%j) ends when it is stopped', async (workflow_id) => {
  const id = `odd${workflow_id.charCodeAt(0)}`;
  const record = () => system.database.cache.scans.get(id);
  const request = {reco_algo: 'a', nsides: [['1', 0]], request_clusters: [['osg', 1]], i3_event_id: 'e'};
  await etcd.etcdctl(['put', `/scan/${id}`, canonicalJson({request})]);
  await eventually(() => record()?.state?.value.name === 'RUNNING', {timeoutMs: 20_000});
  await etcd.etcdctl(['put', ewmsKey(id), canonicalJson({workflow_id, ewms_address: 'a'})]);
  await etcd.etcdctl(['put', `/scan/${id}/control`, '{"desired": "stop"}']);
  await eventually(() => record()?.state?.value.name === 'STOPPED', {timeoutMs: 8000});
});
