import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {RequestManagerClient} from '../../src/proto/request-manager-client.ts';
import {STATE_VALUE} from '../../src/proto/state.ts';
import type {Request} from '../../src/proto/types.ts';
import {scanKey} from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

const example = (path: string): string => fileURLToPath(new URL(`../../examples/${path}`, import.meta.url));
const {COMPLETE, FAIL, RUNNING} = STATE_VALUE;

let etcd: TestEtcd;
let system: TestSystem;
let client: RequestManagerClient;

beforeAll(async () => {
  etcd = await startEtcd();
  system = await TestSystem.start({etcd, settings: {SCANPLANE_SPECS: example('specs'), SCANPLANE_JOBS_MODULE: example('jobs/jobs.ts')}});
  await Promise.all([system.startReplica(), system.startReplica()]);
  client = new RequestManagerClient(system.address);
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const ended = (id: string): Promise<Request> =>
  eventually(
    async () => {
      const request = await client.getRequest(id);
      expect([COMPLETE, FAIL]).toContain(request.state);
      return request;
    },
    {timeoutMs: 20_000},
  );

describe('a request of a spec', () => {
  test('runs to its end: jobs in order, side by side where they may be, what they set handed on, every try logged', async () => {
    const id = await client.createRequest('observe', {field: 'M 31'});
    await eventually(async () => {
      const {jobs, requests} = await client.getRunning({requestId: id});
      expect(jobs.map(({name, status}) => [name, status?.replace(/\d of/, 'n of')].join(': ')).sort()).toEqual([
        'expose: exposure n of 3 in K',
        'expose: exposure n of 3 in V',
      ]);
      expect(requests[id]).toMatchObject({type: 'observe', state: RUNNING});
    });
    const request = await ended(id);
    expect(request).toMatchObject({state: COMPLETE, totalJobs: 20, finishedJobs: 20});
    expect(request.args?.map(({Name, Type, Value}) => [Name, Type, Value])).toEqual([
      ['field', 'required', 'M 31'],
      ['archive', 'optional', 'night-1'],
      ['bands', 'static', ['V', 'K']],
    ]);
    const jobs = Object.values(request.JobChain?.jobs ?? {});
    expect(new Set(jobs.map(({state}) => state))).toEqual(new Set([COMPLETE]));
    const logs = await client.getJobLogs(id);
    expect(logs).toHaveLength(20);
    const saved = logs.find(({name}) => name === 'save');
    const [document, said] = saved?.stdout.split(/\n(?=saved)|(?<=\})saved/) ?? [];
    expect(JSON.parse(document ?? '')).toMatchObject({data: {pointed_at: 'M 31', V: 3, K: 3}, args: {archive: 'night-1'}});
    expect(said).toMatch(/to night-1\n$/);
  });

  test('put by hand with etcdctl it runs as well', async () => {
    await etcd.etcdctl(['put', scanKey('observation1'), '{"type":"observe","args":{"field":"M 33"}}']);
    expect(await ended('observation1')).toMatchObject({state: COMPLETE, totalJobs: 20});
  });

  test('put by hand with arguments that are missing it FAILs, and says which', async () => {
    await etcd.etcdctl(['put', scanKey('observation2'), '{"type":"observe","args":{}}']);
    expect(await ended('observation2')).toMatchObject({state: FAIL});
    const {entries} = await system.database.store.range('/scan/observation2/state');
    expect(entries[0]?.value.toString()).toContain('\\"field\\"');
  });

  test('is no scan on SkyDriver’s routes', async () => {
    for (const path of ['/v2/scan/observation1', '/v2/scan/observation1/manifest', '/v2/scan/observation1/status', '/v1/scan/observation1']) {
      const {status} = await fetch(`${system.address}${path}`);
      expect([path, status]).toEqual([path, 404]);
    }
  });
});

describe('a sky scan', () => {
  test('can be asked for as a request, and shows as a request with its jobs and logs', async () => {
    await etcd.etcdctl(['put', '/event/sample', JSON.stringify({json_dict: SAMPLE})]);
    const id = await client.createRequest('skymap-scan', {
      ...{docker_tag: 'latest', reco_algo: 'reference', nsides: {8: 0}, real_or_simulated_event: 'real', max_pixel_reco_time: 60},
      ...{i3_event_id: 'sample', request_clusters: {local: 1}},
    });
    const request = await ended(id);
    expect(request).toMatchObject({type: 'skymap-scan', state: COMPLETE});
    expect(Object.values(request.JobChain?.jobs ?? {}).map(({type}) => type)).toEqual(expect.arrayContaining(['scanner-server', 'workers']));
    const logs = await client.getJobLogs(id);
    expect(logs.map(({type}) => type)).toEqual(expect.arrayContaining(['scanner-server', 'workers']));
    expect((await fetch(`${system.address}/v2/scan/${id}/manifest`)).status).toBe(200);
  });

  test('is among the requests that can be asked for', async () => {
    const names = (await client.listRequestSpecs()).map(({Name}) => Name);
    expect(names).toEqual(['observe', 'skymap-scan']);
  });

  test('that is asked for badly is refused by the name of what is wrong', async () => {
    await expect(client.createRequest('skymap-scan', {docker_tag: 'latest'})).rejects.toThrow('reco_algo');
  });
});

const {default: SAMPLE} = (await import('../../examples/events/sample-event.json', {with: {type: 'json'}})) as {default: object};
