import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest';
import {EwmsClient, openEwms} from '../../src/ewms/client.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {DummyEwms} from '../support/dummy-ewms.ts';
import {eventually} from '../support/eventually.ts';

let ewms: DummyEwms;
const NO_TOKEN = {tokenUrl: '', clientId: '', clientSecret: ''};

beforeAll(async () => {
  ewms = await DummyEwms.start();
});
afterAll(async () => ewms.goAway());
beforeEach(() => {
  ewms.mode = 'well';
  ewms.token = undefined;
  ewms.pageSize = 100;
  ewms.calls.length = 0;
});

const client = (): EwmsClient => new EwmsClient({address: `${ewms.address}/`, ...NO_TOKEN}, systemClock);

test('without an address there is no workload manager', () => {
  expect(openEwms({address: '', ...NO_TOKEN}, systemClock)).toBeUndefined();
});

test('a workflow is asked for; how it was deactivated is told in the workload manager’s own words', async () => {
  expect(await client().getWorkflow('W1')).toEqual({deactivated: null});
  ewms.deactivated.set('W1', 'abort');
  expect(await client().getWorkflow('W1')).toEqual({deactivated: 'abort'});
});

test('taskforces come from all pages', async () => {
  ewms.taskforces.set('W2', [{n: 1}, {n: 2}, {n: 3}, {n: 4}, {n: 5}]);
  ewms.pageSize = 2;
  expect(await client().listTaskforces('W2')).toEqual([{n: 1}, {n: 2}, {n: 3}, {n: 4}, {n: 5}]);
  expect(ewms.calls.map(({body}) => body)).toEqual([
    {query: {workflow_id: 'W2'}},
    {query: {workflow_id: 'W2'}, after: '2'},
    {query: {workflow_id: 'W2'}, after: '4'},
  ]);
});

test('a workflow is ended once; that it is over already is told as such', async () => {
  await client().endWorkflow('W3', 'abort');
  expect(ewms.deactivated.get('W3')).toBe('ABORTED');
  await expect(client().endWorkflow('W3', 'finished')).rejects.toMatchObject({code: 'not_found'});
});

test('more workers are asked of the workflow’s task', async () => {
  expect(await client().addWorkers('W4', 'osg', 7)).toEqual({taskforce_uuid: 'TF9', n_workers: 7});
  expect(ewms.callsOf('/actions/add-workers')[0]).toMatchObject({path: '/v1/task-directives/T1/actions/add-workers'});
  await expect(client().addWorkers('W4', 'nope', 1)).rejects.toMatchObject({code: 'invalid'});
});

test('an id that would lead to another path is not asked for', async () => {
  for (const id of ['', '.', '..', '\ud800']) await expect(client().endWorkflow(id, 'abort')).rejects.toMatchObject({code: 'not_found'});
  await client().getWorkflow('a/../../b?c');
  expect(ewms.calls.map(({path}) => path)).toEqual(['/v1/workflows/a%2F..%2F..%2Fb%3Fc']);
});

test('a token is fetched with our client’s credentials, once for many calls, and anew when it is refused', async () => {
  ewms.token = 'one';
  const config = {address: ewms.address, tokenUrl: `${ewms.address}/token`, clientId: 'us', clientSecret: 's3cret'};
  const ours = new EwmsClient(config, systemClock);
  await Promise.all([ours.getWorkflow('W5'), ours.getWorkflow('W5')]);
  await ours.getWorkflow('W5');
  expect(ewms.callsOf('/token').map(({body}) => body)).toEqual([{grant_type: 'client_credentials', client_id: 'us', client_secret: 's3cret'}]);
  ewms.token = 'two';
  const refused = await ours.getWorkflow('W5').catch((err: unknown) => err);
  expect(refused).toMatchObject({code: 'forbidden'});
  expect(JSON.stringify(refused) + String(refused)).not.toMatch(/one|s3cret/);
  expect(await ours.getWorkflow('W5')).toEqual({deactivated: null});
});

test('an error of the workload manager, and its absence, are told as unavailable', async () => {
  ewms.mode = 'broken';
  await expect(client().getWorkflow('W6')).rejects.toMatchObject({code: 'unavailable'});
  const nobody = new EwmsClient({address: 'http://127.0.0.1:1', ...NO_TOKEN}, systemClock);
  await expect(nobody.getWorkflow('W6')).rejects.toMatchObject({code: 'unavailable'});
});

test('a call that hangs ends when the process stops', async () => {
  ewms.mode = 'hangs';
  const stop = new AbortController();
  const ours = new EwmsClient({address: ewms.address, ...NO_TOKEN}, systemClock, stop.signal);
  const refused = ours.getWorkflow('W7').catch((err: unknown) => err);
  await eventually(() => ewms.calls.length > 0);
  stop.abort();
  expect(await refused).toMatchObject({code: 'unavailable'});
});
