import {afterAll, beforeAll, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {clusterKey} from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {startRequestApi} from '../support/request-api.ts';
import type {RequestApi} from '../support/request-api.ts';

let etcd: TestEtcd;
let api: RequestApi;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startRequestApi(etcd.endpoint);
  const cluster = canonicalJson({engine: 'external', capacity: 9, settings: {}});
  await api.store.commit({compares: [], ops: [{put: clusterKey('local'), value: cluster}]});
  await api.cache.catchUp();
});

afterAll(async () => {
  await api?.stop();
  await etcd?.stop();
});

test('a request whose jobs no engine of their cluster can run is refused with the place, and nothing is stored', async () => {
  const answer = await api.ask('POST', '/api/v1/requests', {body: {type: 'calibrate', args: {field: 'x'}}});
  expect(answer).toMatchObject({status: 400, body: {message: expect.stringMatching(/^job load .*cannot run on cluster local/) as string}});
  for (const prefix of ['/scan/', '/backlog/', '~blob/']) expect((await api.store.range(prefix)).entries).toEqual([]);
});
