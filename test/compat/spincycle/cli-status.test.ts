import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {runCli} from '../../support/request-cli.ts';
import {aJobStatus, anArg, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const ID = 'c0ffee00c0ffee00c0ff';
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
});
afterEach(() => server[Symbol.asyncDispose]());

function cli(...argv: readonly string[]): ReturnType<typeof runCli> {
  return runCli(['--addr', server.url, ...argv]);
}

describe('info', () => {
  const args = [
    anArg('foo', 'required', {Value: 'a b'}),
    anArg('bar', 'optional', {Default: '175', Value: '175'}),
    anArg('fixed', 'static', {Value: 'never shown'}),
  ];

  test('case 300: info of a request that runs shows where, and leaves the end empty', async () => {
    server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest({args, jrURL: 'http://10.0.0.7:32307'}))});
    expect(await cli('info', ID)).toEqual({
      code: 0,
      err: '',
      out: `      id: ${ID}
 request: test
  caller: ana
 created: 2021-03-04 05:59:00 UTC (1m0s ago)
 started: 2021-03-04 05:59:55 UTC (5s ago)
finished:
   state: RUNNING
    host: http://10.0.0.7:32307
    jobs: 9 (1 complete)
    args: foo="a b" bar=175
`,
    });
  });

  test('case 301: info of a request that has ended shows when', async () => {
    const ended = {args, state: 3, finishedJobs: 9, startedAt: '2021-03-04T03:00:00Z', finishedAt: '2021-03-04T04:59:59.5Z'};
    server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest(ended))});
    const {out} = await cli('info', ID);
    expect(out).toContain(' started: 2021-03-04 03:00:00 UTC (3h0m0s ago)\nfinished: 2021-03-04 04:59:59 UTC (1h0m0s ago)\n   state: COMPLETE\n');
    expect(out).toContain('    host:\n    jobs: 9 (9 complete)\n');
  });
});

describe('ps', () => {
  const running = (...jobs: readonly string[]): string =>
    `{"jobs":[${jobs.join(',')}],"requests":${JSON.stringify({[ID]: aRequest({finishedJobs: 4})})}}`;
  const TITLES = 'REQUEST              ID                    PRG  USER      RUNTIME  TRY JOB                    STATUS\n';

  test('case 302: ps has a line for each job, the oldest first', async () => {
    const younger = aJobStatus({jobId: 'bbbb', name: 'store'}, '1614837598000000000');
    server.answer('GET /api/v1/status/running', {text: running(younger, aJobStatus())});
    expect(await cli('ps')).toEqual({
      code: 0,
      err: '',
      out: `${TITLES}test                 ${ID}  44%  ana       5s         1 load                   reading 3/9
test                 ${ID}  44%  ana       2s         1 store                  reading 3/9
`,
    });
  });

  test('case 303: ps shows the number of the try', async () => {
    server.answer('GET /api/v1/status/running', {text: running(aJobStatus({try: 2}))});
    expect((await cli('ps')).out).toContain(' 5s         2 load ');
  });

  test('case 304: ps squeezes long names and never cuts the status', async () => {
    const status = 'a status that is much longer than any column of this table would be, to its very end';
    const job = aJobStatus({name: 'job-with-an-exceedingly-long-name', status}, '1614833700000000000');
    const requests = {[ID]: aRequest({type: 'request-with-a-very-long-name', user: 'somebody-else'})};
    server.answer('GET /api/v1/status/running', {text: `{"jobs":[${job}],"requests":${JSON.stringify(requests)}}`});
    expect((await cli('ps')).out).toBe(`${TITLES}request-w..long-name ${ID}  11%  some..lse 1h5m0s     1 job-with-a..-long-name ${status}\n`);
  });

  test('case 305: ps asks for the jobs of one request only when its id is given', async () => {
    server.answer('GET /api/v1/status/running', {text: '{"jobs":[],"requests":{}}'});
    expect(await cli('ps', ID)).toEqual({code: 0, out: '', err: ''});
    expect(new URLSearchParams(server.calls[0]?.path.split('?')[1]).get('requestId')).toBe(ID);
  });

  test('case 360: ps lists every job that is known, also where nothing is known of its request', async () => {
    const other = aJobStatus({requestId: 'lost', name: 'orphan', status: ''}, '1614837599000000000');
    server.answer('GET /api/v1/status/running', {text: running(aJobStatus(), other)});
    const {out} = await cli('ps');
    expect(out).toContain(`test                 ${ID}  44%  ana`);
    expect(out).toMatch(/^ {21}lost {33,}1s {9}1 orphan\n/m);
  });
});

describe('status', () => {
  test('case 310: status of a request that runs shows its progress and for how long it has been running', async () => {
    server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest())});
    expect(await cli('status', ID)).toEqual({
      code: 0,
      err: '',
      out: `   state: RUNNING
progress: 11%
 runtime: 5s
 request: test
  caller: ana
    args:
`,
    });
  });

  test('case 311: status of a request that has ended shows how long it ran, and the required arguments in the order of the spec', async () => {
    const args = [
      anArg('zoo', 'required', {Value: '1'}),
      anArg('bar', 'optional', {Value: '2'}),
      anArg('foo', 'required', {Value: 'x'}),
      anArg('s', 'static', {Value: '3'}),
    ];
    const ended = {args, state: 3, finishedJobs: 9, startedAt: '2021-03-04T03:00:00Z', finishedAt: '2021-03-04T04:59:59Z'};
    server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest(ended))});
    expect((await cli('status', ID)).out).toBe(`   state: COMPLETE
progress: 100%
 runtime: 1h59m59s
 request: test
  caller: ana
    args: zoo=1 foo=x
`);
  });

  test('case 312: status quotes values', async () => {
    const args = [anArg('a', 'required', {Value: 'x y'}), anArg('b', 'required', {Value: 'say "hi"'}), anArg('c', 'required', {Value: [1, 'z']})];
    server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest({args}))});
    expect((await cli('status', ID)).out).toContain(String.raw`    args: a="x y" b="say \"hi\"" c="[1,\"z\"]"`);
  });
});
