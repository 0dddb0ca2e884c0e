import {describe, expect, test} from 'vitest';
import {RequestManagerClient, STATE_COMPLETE, STATE_RUNNING, encodeJson} from '../../../src/proto/index.ts';
import {aChain, aFinish, aLog, aRequest, aStatus, aSuspendedChain} from '../../support/wire-objects.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {Answer, ReceivedCall} from '../../support/request-server.ts';

/** What `act` returns and what was sent, when `route` answers so. */
async function exchange<T>(
  route: string,
  answer: Answer,
  act: (client: RequestManagerClient) => Promise<T>,
): Promise<{result: T; call: ReceivedCall}> {
  await using server = await startRequestServer();
  server.answer(route, answer);
  const result = await act(new RequestManagerClient(server.url));
  expect(server.calls).toHaveLength(1);
  return {result, call: server.calls[0] as ReceivedCall};
}

describe('request manager client (4.3)', () => {
  test.for<readonly [number, string, string, (client: RequestManagerClient) => Promise<unknown>]>([
    [27, 'create', 'POST /api/v1/requests', (client) => client.createRequest('scan', {})],
    [28, 'get', 'GET /api/v1/requests/r9', (client) => client.getRequest('r9')],
    [29, 'start', 'PUT /api/v1/requests/r9/start', (client) => client.startRequest('r9')],
    [30, 'finish', 'PUT /api/v1/requests/r9/finish', (client) => client.finishRequest(aFinish())],
    [31, 'stop', 'PUT /api/v1/requests/r9/stop', (client) => client.stopRequest('r9')],
    [32, 'suspend', 'PUT /api/v1/requests/r9/suspend', (client) => client.suspendRequest('r9', aSuspendedChain())],
    [33, 'job chain', 'GET /api/v1/requests/r9/job-chain', (client) => client.getJobChain('r9')],
    [34, 'log list', 'GET /api/v1/requests/r9/log', (client) => client.getJobLogs('r9')],
    [35, 'log create', 'POST /api/v1/requests/r9/log', (client) => client.createJobLog('r9', aLog())],
  ])('case %i: %s that is answered with 400 and an empty body is an error', async ([, , route, act]) => {
    await using server = await startRequestServer();
    server.answer(route, {status: 400});
    await expect(act(new RequestManagerClient(server.url))).rejects.toMatchObject({
      name: 'ProtoError',
      message: 'API error: no response (HTTP status 400)',
      httpStatus: 400,
    });
    expect(server.calls).toHaveLength(1);
  });

  test('case 36: create sends type and arguments and gives the id of the request', async () => {
    const {result, call} = await exchange('POST /api/v1/requests', {status: 201, text: encodeJson(aRequest())}, (client) =>
      client.createRequest('scan', {k1: 'v1', k2: 'v2'}),
    );
    expect(result).toBe('r9');
    expect(JSON.parse(call.body)).toEqual({Type: 'scan', Args: {k1: 'v1', k2: 'v2'}, User: ''});
    expect(call.headers['content-type']).toBe('application/json');
  });

  test('case 37: get gives the request', async () => {
    const {result} = await exchange('GET /api/v1/requests/r9', {text: encodeJson(aRequest())}, (client) => client.getRequest('r9'));
    expect(result).toEqual(aRequest());
  });

  test('case 38: find sends the filter and gives the list', async () => {
    const {result, call} = await exchange('GET /api/v1/requests', {text: encodeJson([aRequest(), {...aRequest(), id: 'r8'}])}, (client) =>
      client.findRequests({type: 'scan', states: [STATE_RUNNING]}),
    );
    expect(result.map(({id}) => id)).toEqual(['r9', 'r8']);
    expect(call.path).toBe('/api/v1/requests?state=RUNNING&type=scan');
  });

  test('case 39: start is a PUT without a body', async () => {
    const {call} = await exchange('PUT /api/v1/requests/r9/start', {}, (client) => client.startRequest('r9'));
    expect(call.body).toBe('');
  });

  test('case 40: finish sends how the request ended, its time as it was given, and takes an empty answer', async () => {
    const {call} = await exchange('PUT /api/v1/requests/r9/finish', {}, (client) => client.finishRequest(aFinish()));
    expect(JSON.parse(call.body)).toEqual({requestId: 'r9', state: STATE_COMPLETE, finishedAt: '2021-03-04T05:10:00.891234Z', finishedJobs: 7});
  });

  test('case 41: stop is a PUT without a body', async () => {
    const {call} = await exchange('PUT /api/v1/requests/r9/stop', {}, (client) => client.stopRequest('r9'));
    expect(call.body).toBe('');
  });

  test('case 42: suspend sends the whole suspended chain with the data of its jobs', async () => {
    const {call} = await exchange('PUT /api/v1/requests/r9/suspend', {}, (client) => client.suspendRequest('r9', aSuspendedChain()));
    expect(JSON.parse(call.body)).toEqual(aSuspendedChain());
    expect(JSON.parse(call.body)).toHaveProperty('jobChain.jobs.aB3x.data', {rows: 3});
  });

  test('case 43: job chain gives the chain', async () => {
    const {result} = await exchange('GET /api/v1/requests/r9/job-chain', {text: encodeJson(aChain())}, (client) => client.getJobChain('r9'));
    expect(result).toEqual(aChain());
  });

  test('case 44: log gives the entries of all tries', async () => {
    const {result} = await exchange('GET /api/v1/requests/r9/log', {text: encodeJson([aLog(), {...aLog(), try: 2}])}, (client) =>
      client.getJobLogs('r9'),
    );
    expect(result).toEqual([aLog(), {...aLog(), try: 2}]);
  });

  test('case 45: create log sends the entry and takes an empty answer', async () => {
    const {call} = await exchange('POST /api/v1/requests/r9/log', {status: 201}, (client) => client.createJobLog('r9', aLog()));
    expect(call.body).toBe(encodeJson(aLog()));
  });
});

describe('additional cases (4.23)', () => {
  test('case 355: times of log entries and of running jobs beyond 2^53 survive a round trip digit by digit', async () => {
    const log = {...aLog(), startedAt: 1614834367891234567n, finishedAt: 1614834368000000001n, exit: -9223372036854775808n};
    const sent = await exchange('POST /api/v1/requests/r9/log', {status: 201}, (client) => client.createJobLog('r9', log));
    expect(sent.call.body).toContain('"startedAt":1614834367891234567,"finishedAt":1614834368000000001');
    const got = await exchange('GET /api/v1/requests/r9/log', {text: `[${sent.call.body}]`}, (client) => client.getJobLogs('r9'));
    expect(got.result).toEqual([log]);

    const status = {...aStatus(), startedAt: 9223372036854775807n};
    const text = encodeJson({jobs: [status], requests: {r9: aRequest()}});
    expect(text).toContain('"startedAt":9223372036854775807');
    const running = await exchange('GET /api/v1/status/running', {text}, (client) => client.getRunning());
    expect(running.result).toEqual({jobs: [status], requests: {r9: aRequest()}});
  });
});
