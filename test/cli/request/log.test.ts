import {afterEach, beforeEach, expect, test} from 'vitest';
import {eventually} from '../../support/eventually.ts';
import {beginCli, runCli} from '../../support/request-cli.ts';
import {aLogEntry, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const ID = 'c0ffee00c0ffee00c0ff';
const REQUEST = `GET /api/v1/requests/${ID}`;
const LOG = `${REQUEST}/log`;
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
});
afterEach(() => server[Symbol.asyncDispose]());

const FIRST = aLogEntry({state: 4, exit: 1, error: 'no such field', stderr: 'line 1\nline 2\n'});
const SECOND = aLogEntry({try: 2, stdout: 'done'}, '1614834369000000000', '1614834370000000499');

test('log shows every try by the time it finished, blocks parted by a line', async () => {
  server.answer(LOG, {text: `[${SECOND},${FIRST}]`});
  expect(await runCli(['--addr', server.url, 'log', ID])).toEqual({
    code: 0,
    err: '',
    out: `  job id: aB3x
job name: load
job type: loader
   state: FAIL
    exit: 1
   error: no such field
     try: 1
 runtime: 0.108765s
 started: 2021-03-04 05:06:07 UTC
finished: 2021-03-04 05:06:08 UTC
  stdout:
  stderr:
line 1
line 2
--
  job id: aB3x
job name: load
job type: loader
   state: COMPLETE
    exit: 0
   error:
     try: 2
 runtime: 1.000000s
 started: 2021-03-04 05:06:09 UTC
finished: 2021-03-04 05:06:10 UTC
  stdout: done
  stderr:
`,
  });
});

test('an entry of a try that never ran has no times and no runtime; an exit code of 64 bits is shown to its last digit', async () => {
  server.answer(LOG, {text: `[${aLogEntry({}, '0', '0').replace('"exit":0', '"exit":-9223372036854775808')}]`});
  const {out} = await runCli(['--addr', server.url, 'log', ID]);
  expect(out).toContain('    exit: -9223372036854775808\n');
  expect(out).toContain(' runtime: 0.000000s\n started: N/A\nfinished: N/A\n');
});

test('output of a job goes to a file as it is, and to a terminal without what moves its cursor', async () => {
  const entry = aLogEntry({stdout: '\u001b[2Jgone\u001b[31mred'});
  server.answer(LOG, {text: `[${entry}]`});
  expect((await runCli(['--addr', server.url, 'log', ID])).out).toContain('\u001b[2Jgone');
  let out = '';
  await runCli(['--addr', server.url, 'log', ID], {out: {isTTY: true, write: (text) => void (out += text)}});
  expect(out).toContain('\\x1b[2Jgone\u001b[31mred');
});

test('log --follow shows each try once as it finishes, and ends with the request', async () => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest())}, {text: JSON.stringify(aRequest())}, {text: JSON.stringify(aRequest({state: 3}))});
  server.answer(LOG, {text: `[${FIRST}]`}, {text: `[${aLogEntry({try: 2}, '1614834369000000000', '0')},${FIRST}]`}, {text: `[${SECOND},${FIRST}]`});
  const followed = await runCli(['--addr', server.url, 'log', ID, '--follow']);
  expect(followed).toMatchObject({code: 0, err: ''});
  expect(followed.out).toBe((await runCli(['--addr', server.url, 'log', ID])).out);
});

test('log --follow waits for a server that goes away on the way', async () => {
  server.answer(
    REQUEST,
    {text: JSON.stringify(aRequest())},
    {status: 503, text: '{"message":"not now"}'},
    {status: 503},
    {text: JSON.stringify(aRequest({state: 4}))},
  );
  server.answer(LOG, {text: `[${FIRST}]`}, {text: `[${SECOND},${FIRST}]`});
  const {code, out, err} = await runCli(['--addr', server.url, '-f', 'log', ID]);
  expect(code).toBe(0);
  expect(out.match(/^ {5}try: \d$/gm)).toEqual(['     try: 1', '     try: 2']);
  expect(err).toMatch(/^[^\n]*not now[^\n]*; waiting\n$/);
});

test('log --follow of what is not there, or of a server that never answered, ends at once', async () => {
  server.answer(REQUEST, {status: 404, text: JSON.stringify({message: `request ${ID} not found`, requestId: '', httpStatus: 404})});
  expect(await runCli(['--addr', server.url, 'log', '--follow', ID])).toEqual({code: 1, out: '', err: `request ${ID} not found\n`});
  server.answer(REQUEST, {status: 503});
  expect((await runCli(['--addr', server.url, 'log', '--follow', ID])).code).toBe(1);
});

test('Ctrl-C ends log --follow with 130', async () => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest())});
  server.answer(LOG, {text: `[${FIRST}]`});
  const interrupt = new AbortController();
  const cli = beginCli(['--addr', server.url, 'log', '--follow', ID], {interrupt: interrupt.signal});
  await eventually(() => cli.out() !== '');
  interrupt.abort();
  expect(await cli.done).toMatchObject({code: 130, err: ''});
});

test('--follow is refused where there is nothing to follow', async () => {
  expect((await runCli(['status', '--follow', ID])).err).toBe('--follow goes with log only\n');
});
