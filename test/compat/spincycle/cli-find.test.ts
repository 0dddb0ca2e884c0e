import {afterEach, beforeEach, expect, test} from 'vitest';
import {parseFind} from '../../../src/cli/request/commands/find.ts';
import {runCli} from '../../support/request-cli.ts';
import {aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
});
afterEach(() => server[Symbol.asyncDispose]());

function cli(argv: readonly string[], timeZone = 'UTC'): ReturnType<typeof runCli> {
  return runCli(['--addr', server.url, 'find', ...argv], {timeZone});
}

async function refusal(...argv: readonly string[]): Promise<string> {
  const {code, out, err} = await cli(argv);
  expect({code, out, asked: server.calls}).toEqual({code: 1, out: '', asked: []});
  return err;
}

test('case 288: find takes every parameter and asks the server for it', async () => {
  server.answer('GET /api/v1/requests', {text: '[]'});
  const words = [
    'type=scan',
    'states=pending,RUNNING',
    'args=a=b,c=d',
    'user=ana',
    'since=2021-03-04 05:06:07 UTC',
    'until=2021-03-05 05:06:07 UTC',
    'limit=5',
    'offset=10',
    'timezone=local',
  ];
  expect(parseFind(words).isLocal).toBe(true);
  expect(parseFind(['timezone=utc']).isLocal).toBe(false);
  expect((await cli(words)).code).toBe(0);
  const query = new URLSearchParams(server.calls[0]?.path.split('?')[1]);
  expect([...query.entries()].map(([name, value]) => `${name}: ${value}`).toSorted()).toEqual([
    'arg: a=b',
    'arg: c=d',
    'limit: 5',
    'offset: 10',
    'since: 2021-03-04T05:06:07Z',
    'state: PENDING',
    'state: RUNNING',
    'type: scan',
    'until: 2021-03-05T05:06:07Z',
    'user: ana',
  ]);
});

test('case 289: find refuses a word without =', async () => {
  expect(await refusal('scan')).toContain('"scan"');
});

test('case 290: find refuses a since without a time of day', async () => {
  expect(await refusal('since=2021-03-04')).toContain('since=2021-03-04: write a time as YYYY-MM-DD HH:MM:SS UTC');
});

test('case 291: find refuses a state that there is not', async () => {
  expect(await refusal('states=RUNNING,DONE')).toContain('there is no state "DONE"');
});

test('case 292: find refuses a time in another zone than UTC', async () => {
  expect(await refusal('until=2021-03-04 05:06:07 PST')).toContain('the time zone has to be UTC');
});

test('case 293: find refuses a timezone that is neither utc nor local', async () => {
  expect(await refusal('timezone=pst')).toContain('it is utc or local');
});

test('case 294: find refuses a parameter that it does not know', async () => {
  expect(await refusal('colour=red')).toContain('Unknown parameter: colour');
});

test('case 295: find refuses an argument without a value', async () => {
  expect(await refusal('args=a')).toContain('args: Not of the form name=value: "a"');
});

const REQUESTS = [
  aRequest({state: 3, finishedAt: '2021-03-04T05:59:59Z', finishedJobs: 9}),
  aRequest({id: 'c0ffee00c0ffee00c0fe', type: 'a-request-with-a-name-longer-than-forty-columns', state: 1, startedAt: null, finishedJobs: 0}),
];

test('case 296: find shows times in UTC, and N/A where there is none', async () => {
  server.answer('GET /api/v1/requests', {text: JSON.stringify(REQUESTS)});
  expect(await cli([], 'Europe/Berlin')).toEqual({
    code: 0,
    err: '',
    out: `ID                   REQUEST                                  USER             STATE     CREATED                 STARTED                 FINISHED                JOBS
c0ffee00c0ffee00c0ff test                                     ana              COMPLETE  2021-03-04 05:59:00 UTC 2021-03-04 05:59:55 UTC 2021-03-04 05:59:59 UTC 9 / 9
c0ffee00c0ffee00c0fe a-request-with-a-na..-than-forty-columns ana              PENDING   2021-03-04 05:59:00 UTC N/A                     N/A                     0 / 9
`,
  });
});

test('case 297: find shows times of the user’s own zone with timezone=local', async () => {
  server.answer('GET /api/v1/requests', {text: JSON.stringify(REQUESTS)});
  const {out} = await cli(['timezone=local'], 'Europe/Berlin');
  expect(out).toContain('COMPLETE  2021-03-04 06:59:00 CET 2021-03-04 06:59:55 CET 2021-03-04 06:59:59 CET 9 / 9\n');
});

test('case 298: find prints nothing when nothing is found', async () => {
  server.answer('GET /api/v1/requests', {text: '[]'});
  expect(await cli(['user=nobody'])).toEqual({code: 0, out: '', err: ''});
});
