import {expect, test} from 'vitest';
import {JobRunnerClient, encodeJson} from '../../../src/proto/index.ts';
import {aChain, aStatus, aSuspendedChain} from '../../support/wire-objects.ts';
import {startRequestServer} from '../../support/request-server.ts';

// Section 4.17, the client's part.

const location = 'http://127.0.0.1:32307/api/v1/job-chains/r9';

test('case 207: a new chain is sent whole, and taken only when 200 comes with a Location', async () => {
  await using server = await startRequestServer();
  const client = new JobRunnerClient(server.url);
  const [created, refused] = [201, 400].map((status) => ({status, headers: {location}}));
  server.answer('POST /api/v1/job-chains', {headers: {location}}, {}, {headers: {location: '/elsewhere'}}, created ?? {}, refused ?? {});
  const url = await client.newJobChain(aChain());
  expect([url.href, url.origin]).toEqual([location, 'http://127.0.0.1:32307']);
  expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual(aChain());
  await expect(client.newJobChain(aChain())).rejects.toThrow('no Location');
  await expect(client.newJobChain(aChain())).rejects.toThrow('no Location');
  await expect(client.newJobChain(aChain())).rejects.toMatchObject({httpStatus: 201});
  await expect(client.newJobChain(aChain())).rejects.toMatchObject({httpStatus: 400});
});

test('case 208: a suspended chain is sent whole, and taken only when 200 comes with a Location', async () => {
  await using server = await startRequestServer();
  const client = new JobRunnerClient(server.url);
  server.answer('POST /api/v1/job-chains/resume', {headers: {location}}, {}, {status: 400, headers: {location}});
  expect((await client.resumeJobChain(aSuspendedChain())).origin).toBe('http://127.0.0.1:32307');
  expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual(aSuspendedChain());
  await expect(client.resumeJobChain(aSuspendedChain())).rejects.toThrow('no Location');
  await expect(client.resumeJobChain(aSuspendedChain())).rejects.toMatchObject({httpStatus: 400});
});

test('case 209: stop is a PUT to the chain of the request', async () => {
  await using server = await startRequestServer();
  server.answer('PUT /api/v1/job-chains/r9/stop', {}, {status: 404, text: '{"message":"traverser not found"}'});
  const client = new JobRunnerClient(server.url);
  await client.stopRequest('r9');
  await expect(client.stopRequest('r9')).rejects.toMatchObject({message: 'traverser not found', httpStatus: 404});
});

test('case 210: running gives the list of jobs', async () => {
  await using server = await startRequestServer();
  server.answer('GET /api/v1/status/running', {text: encodeJson([aStatus()])});
  expect(await new JobRunnerClient(server.url).getRunning({requestId: 'r9'})).toEqual([aStatus()]);
  expect(server.calls[0]?.path).toBe('/api/v1/status/running?requestId=r9');
});
