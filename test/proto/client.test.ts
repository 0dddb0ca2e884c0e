import {describe, expect, test} from 'vitest';
import {ProtoError, RequestManagerClient, encodeJson} from '../../src/proto/index.ts';
import {aFinish, aRequest} from '../support/wire-objects.ts';
import {startRequestServer} from '../support/request-server.ts';
import type {Answer} from '../support/request-server.ts';

const token = 'a-token-that-nobody-may-see';

/** What the client throws when its GET is answered so. */
async function errorFor(answer: Answer): Promise<ProtoError> {
  await using server = await startRequestServer();
  server.answer('GET /api/v1/requests/r9', answer);
  const client = new RequestManagerClient(server.url, {headers: {authorization: `Bearer ${token}`}, maxAnswerBytes: 10_000});
  const thrown = await client.getRequest('r9').catch((err: unknown) => err);
  expect(thrown).toBeInstanceOf(ProtoError);
  return thrown as ProtoError;
}

describe('the text of an error', () => {
  test('for what is not there it is the server’s alone', async () => {
    const err = await errorFor({status: 404, text: '{"message":"request r9 not found","requestId":"r9","httpStatus":404}'});
    expect(err).toMatchObject({message: 'request r9 not found', requestId: 'r9', httpStatus: 404});
  });

  test('else it is the server’s in a frame with the status', async () => {
    expect((await errorFor({status: 409, text: '{"message":"not running"}'})).message).toBe('API error: not running (HTTP status 409)');
    expect((await errorFor({status: 502, text: '<html>Bad Gateway</html>\n'})).message).toBe('API error: <html>Bad Gateway</html> (HTTP status 502)');
    expect((await errorFor({status: 404, text: 'no such page'})).message).toBe('API error: no such page (HTTP status 404)');
    expect((await errorFor({status: 500, text: '{"message":""}'})).message).toBe('API error: {"message":""} (HTTP status 500)');
    expect((await errorFor({status: 503})).message).toBe('API error: no response (HTTP status 503)');
    expect((await errorFor({status: 204})).message).toBe('API error: no response (HTTP status 204)');
  });

  test('never repeats a credential, wherever the server puts it', async () => {
    const echoes: readonly Answer[] = [
      {status: 401, text: encodeJson({message: `who is ${token}?`})},
      {status: 500, text: `Authorization: Bearer ${token}`},
      {text: encodeJson({state: token})},
      {text: encodeJson({startedAt: token})},
      {text: encodeJson({args: {[token]: 1}})},
      {text: token},
    ];
    for (const answer of echoes) {
      const err = await errorFor(answer);
      expect(`${err.stack} ${JSON.stringify(err)} ${String(err.cause)}`).not.toContain(token);
    }
  });

  test('is no longer than a few lines', async () => {
    expect((await errorFor({status: 500, text: 'x'.repeat(9_000)})).message.length).toBeLessThan(5_000);
  });
});

describe('an answer that cannot be used is an error that says why', () => {
  test.for<readonly [string, Answer, string]>([
    [
      'a redirect, wherever it leads',
      {status: 302, headers: {location: 'http://127.0.0.1:9/'}},
      'answered with a redirect, which is not followed (HTTP status 302)',
    ],
    ['a page', {text: '<html>welcome</html>', headers: {'content-type': 'text/html'}}, 'the answer is no JSON that can be read (HTTP status 200)'],
    ['nothing', {}, 'the answer is empty (HTTP status 200)'],
    [
      'another shape',
      {text: '{"state":"RUNNING"}'},
      'the answer is not understood: state: expected the number of a state, got a text (HTTP status 200)',
    ],
    ['a list', {text: '[]'}, 'the answer is not understood: expected an object, got a list (HTTP status 200)'],
    ['too much', {text: encodeJson({...aRequest(), user: 'x'.repeat(20_000)})}, 'the answer is longer than 10000 bytes'],
  ])('%s', async ([, answer, text]) => {
    const err = await errorFor(answer);
    expect(err.message).toMatch(/^GET http:\/\/127\.0\.0\.1:\d+\/api\/v1\/requests\/r9: /);
    expect(err.message).toContain(text);
  });

  test('a creation without an id', async () => {
    await using server = await startRequestServer();
    server.answer('POST /api/v1/requests', {status: 201, text: '{}'});
    await expect(new RequestManagerClient(server.url).createRequest('scan', {})).rejects.toThrow('id: missing');
  });
});

describe('no answer', () => {
  test('within the time limit is an error without a status', async () => {
    await using server = await startRequestServer();
    server.answer('GET /api/v1/requests/r9', 'silence');
    const client = new RequestManagerClient(server.url, {timeoutMs: 50});
    await expect(client.getRequest('r9')).rejects.toMatchObject({message: expect.stringContaining('no answer within 50 ms'), httpStatus: 0});
  });

  test('from an address where nobody listens is an error without a status', async () => {
    const server = await startRequestServer();
    await server[Symbol.asyncDispose]();
    const err: unknown = await new RequestManagerClient(server.url).stopRequest('r9').catch((thrown: unknown) => thrown);
    expect(err).toMatchObject({name: 'ProtoError', httpStatus: 0, message: expect.stringContaining('ECONNREFUSED')});
  });

  test('because the caller ended the call throws what the caller says', async () => {
    await using server = await startRequestServer();
    server.answer('GET /api/v1/requests/r9', 'silence');
    const stop = new AbortController();
    const asked = new RequestManagerClient(server.url, {signal: stop.signal}).getRequest('r9');
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });
});

describe('nothing is sent', () => {
  test('for a finish without its parts, and for ids that no path can hold', async () => {
    await using server = await startRequestServer();
    const client = new RequestManagerClient(server.url);
    await expect(client.finishRequest({...aFinish(), requestId: ''})).rejects.toMatchObject({name: 'FieldError', field: 'id'});
    await expect(client.finishRequest({...aFinish(), state: 0})).rejects.toMatchObject({name: 'FieldError', field: 'state'});
    await expect(client.finishRequest({...aFinish(), state: 9 as 3})).rejects.toMatchObject({field: 'state'});
    await expect(client.finishRequest({...aFinish(), finishedAt: ''})).rejects.toMatchObject({field: 'finishedAt'});
    await expect(client.finishRequest({...aFinish(), finishedAt: '0001-01-01T00:00:00Z'})).rejects.toMatchObject({field: 'finishedAt'});
    for (const id of ['', '.', '..']) await expect(client.stopRequest(id)).rejects.toMatchObject({field: 'id'});
    expect(server.calls).toEqual([]);
  });

  test('to an address that holds credentials or is none, and the error does not repeat them', () => {
    for (const url of [`http://ana:${token}@127.0.0.1:1`, `ftp://127.0.0.1/${token}`, `${token}`, `http://127.0.0.1/?t=${token}`]) {
      expect(() => new RequestManagerClient(url)).toThrow(ProtoError);
      expect(() => new RequestManagerClient(url)).not.toThrow(token);
    }
  });

  test('with a header that cannot be sent, and the error does not repeat it', () => {
    const make = (): RequestManagerClient => new RequestManagerClient('http://127.0.0.1:1', {headers: {authorization: `Bearer ${token}\r\nx: y`}});
    expect(make).toThrow('the header "authorization" cannot be sent');
    expect(make).not.toThrow(token);
  });
});

test('what only this project’s servers know is asked for without a body', async () => {
  await using server = await startRequestServer();
  const client = new RequestManagerClient(server.url);
  for (const verb of ['suspend', 'resume', 'retry'] as const) {
    server.answer(`PUT /api/v1/requests/r9/${verb}`, {});
    await client[`${verb}Request`]('r9');
  }
  expect(server.calls.map(({method, path, body}) => [method, path, body])).toEqual([
    ['PUT', '/api/v1/requests/r9/suspend', ''],
    ['PUT', '/api/v1/requests/r9/resume', ''],
    ['PUT', '/api/v1/requests/r9/retry', ''],
  ]);
});

test('the rest of the request manager’s routes', async () => {
  await using server = await startRequestServer();
  const client = new RequestManagerClient(`${server.url}/behind/a/proxy/`, {headers: {authorization: `Bearer ${token}`}});
  server.answer('PUT /behind/a/proxy/api/v1/requests/r%2F9/progress', {text: 'null'});
  server.answer('GET /behind/a/proxy/api/v1/request-list', {text: '[{"Name":"scan","Args":null}]'});
  server.answer('GET /behind/a/proxy/api/v1/status/running', {text: '{"jobs":null,"requests":null}'});
  server.answer('GET /behind/a/proxy/version', {text: '2.1.1+build\n', headers: {'content-type': 'text/plain'}});
  server.answer('GET /behind/a/proxy/api/v1/requests', {text: 'null'});
  await client.updateProgress({requestId: 'r/9', finishedJobs: 4});
  expect(await client.listRequestSpecs()).toEqual([{Name: 'scan', Args: []}]);
  expect(await client.getRunning()).toEqual({jobs: [], requests: {}});
  expect(await client.getVersion()).toBe('2.1.1+build');
  expect(await client.findRequests()).toEqual([]);
  expect(server.calls[0]?.body).toBe('{"requestId":"r/9","finishedJobs":4}');
  expect(new Set(server.calls.map(({headers}) => headers.authorization))).toEqual(new Set([`Bearer ${token}`]));
});
