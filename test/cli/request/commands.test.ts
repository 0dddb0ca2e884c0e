import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {runCli} from '../../support/request-cli.ts';
import {anArg, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const ID = 'c0ffee00c0ffee00c0ff';
const REQUEST = `GET /api/v1/requests/${ID}`;
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
});
afterEach(() => server[Symbol.asyncDispose]());

function cli(...argv: readonly string[]): ReturnType<typeof runCli> {
  return runCli(['--addr', server.url, ...argv]);
}

test.each([
  ['stop', 'stopped'],
  ['suspend', 'suspended'],
  ['resume', 'resumed'],
  ['retry', 'retrying'],
])('%s asks the server to, and says so', async (command, done) => {
  server.answer(`PUT /api/v1/requests/${ID}/${command}`, {});
  expect(await cli(command, ID)).toEqual({code: 0, out: `OK, ${done} ${ID}\n`, err: ''});
  expect(server.calls.map(({method, path}) => `${method} ${path}`)).toEqual([`PUT /api/v1/requests/${ID}/${command}`]);
});

test.each(['stop', 'suspend', 'resume', 'retry', 'status', 'info', 'log', 'running'])('%s without an id tells how it is used', async (command) => {
  const {code, out, err} = await cli(command);
  expect({code, out}).toEqual({code: 1, out: ''});
  expect(err).toMatch(new RegExp(`^Usage: scanplane request ${command} <id>.*\n$`));
  expect((await cli(command, 'a', 'b')).err).toBe(err);
});

test.each(['..', '.', 'a/b', 'a?b', 'a b', ''])('an id that would lead to another path is refused: %j', async (id) => {
  expect(await cli('stop', id)).toEqual({code: 1, out: '', err: `Not a request id: ${JSON.stringify(id)}\n`});
  expect((await cli('ps', id)).code).toBe(1);
  expect(server.calls).toEqual([]);
});

test.each([
  [1, 'PENDING', 0],
  [2, 'RUNNING', 0],
  [7, 'SUSPENDED', 0],
  [3, 'COMPLETE', 1],
  [4, 'FAIL', 1],
  [6, 'STOPPED', 1],
  [0, 'UNKNOWN', 1],
])('running: a request in state %i (%s) gives exit code %i and no words', async (state, _name, code) => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest({state}))});
  expect(await cli('running', ID)).toEqual({code, out: '', err: ''});
});

test('running: a server that cannot be reached gives 1', async () => {
  const gone = await startRequestServer();
  await gone[Symbol.asyncDispose]();
  const {code, out, err} = await runCli(['--addr', gone.url, 'running', ID]);
  expect({code, out}).toEqual({code: 1, out: ''});
  expect(err).toMatch(/^[^\n]+\n$/);
});

test.each([
  [1, 0, 0, '0%'],
  [3, 0, 0, '100%'],
  [2, 3, 2, '67%'],
  [2, 1000, 999, '99%'],
  [3, 7, 7, '100%'],
])('in state %i, of %i jobs %i done are %s (mended)', async (state, totalJobs, finishedJobs, shown) => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest({state, totalJobs, finishedJobs}))});
  expect((await cli('status', ID)).out).toContain(`progress: ${shown}\n`);
});

test('a request that has not begun, or failed before it did, has no runtime', async () => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest({state: 4, startedAt: null, finishedAt: '2021-03-04T05:59:30Z'}))});
  expect((await cli('status', ID)).out).toContain(' runtime: not started\n');
});

test('an argument may be anything that JSON can say', async () => {
  server.answer(REQUEST, {
    text: JSON.stringify(aRequest({args: [anArg('a', 'required', {Value: {exit: 1, startedAt: [2]}}), anArg('b', 'required')]})),
  });
  expect((await cli('status', ID)).out).toContain(String.raw`    args: a="{\"exit\":1,\"startedAt\":[2]}" b=` + '\n');
});

test('an answer that is not what it should be is one line that says what', async () => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest({totalJobs: 'many'}))});
  const problem = 'the answer is not understood: totalJobs: expected a whole number from 0, got a text (HTTP status 200)';
  expect(await cli('status', ID)).toEqual({code: 1, out: '', err: `GET ${server.url}/api/v1/requests/${ID}: ${problem}\n`});
  server.answer(REQUEST, {text: '<html>'});
  expect((await cli('status', ID)).err).toMatch(/^GET .* the answer is no JSON that can be read \(HTTP status 200\)\n$/);
  server.answer(REQUEST, {status: 302, headers: {location: 'http://127.0.0.1:9/'}});
  expect(await cli('status', ID)).toMatchObject({code: 1, err: expect.stringMatching(/^GET [^\n]*redirect[^\n]*\n$/)});
});

test('what Go leaves out or sends as null is empty', async () => {
  server.answer('GET /api/v1/status/running', {text: '{"jobs":null,"requests":null}'});
  expect(await cli('ps')).toEqual({code: 0, out: '', err: ''});
  server.answer('GET /api/v1/requests', {text: 'null'});
  expect(await cli('find')).toEqual({code: 0, out: '', err: ''});
  server.answer('GET /api/v1/request-list', {text: '[{"Name":"test","Args":null}]'});
  expect((await cli('help', 'test')).code).toBe(0);
});

test('what users wrote cannot move the cursor of who looks', async () => {
  const args = [anArg('a', 'required', {Value: 'x\u001b[2J'})];
  server.answer(REQUEST, {text: JSON.stringify(aRequest({user: 'eve\u001b[2J\nroot', args}))});
  const {out} = await cli('status', ID);
  expect(out).toContain(String.raw`  caller: eve\x1b[2J\nroot`);
  expect(out).toContain(String.raw`    args: a=$'x\x1b[2J'`);
});

test('an error of the server is one line with its text and status; a 404 is its text alone', async () => {
  server.answer(REQUEST, {status: 404, text: JSON.stringify({message: `request ${ID} not found`, requestId: '', httpStatus: 404})});
  expect((await cli('status', ID)).err).toBe(`request ${ID} not found\n`);
  server.answer(REQUEST, {status: 409, text: '{"message":"it has ended\\u001b[2J"}'});
  expect((await cli('info', ID)).err).toMatch(/^[^\n]*it has ended\\x1b\[2J[^\n]*409[^\n]*\n$/);
});

test('an unknown command is refused', async () => {
  expect(await cli('explode')).toEqual({code: 1, out: '', err: 'Unknown command: explode. See scanplane request help\n'});
});

test('an unknown flag is told on standard output, as spinc does', async () => {
  expect(await cli('--explode')).toEqual({code: 1, out: "Unknown option '--explode'\n", err: ''});
});

test('no command lists requests, and where the server cannot be reached says why; neither is an error', async () => {
  server.answer('GET /api/v1/request-list', {status: 401, text: '{"message":"no"}'});
  const {code, out, err} = await cli();
  expect({code, err}).toEqual({code: 0, err: ''});
  expect(out).toMatch(/^Server: .*\n\nRequests:\n {2}[^\n]*no[^\n]*\n\nWhat a request takes:/);
});

test('help shows how each command is used, with or without the flag, and asks nobody', async () => {
  expect((await cli('help', 'find')).out).toContain('Usage: scanplane request find [parameter=value ...]\n');
  expect((await cli('find', '--help')).out).toBe((await cli('help', 'find')).out);
  expect((await cli('-h')).out).toBe((await cli('help')).out);
  expect(server.calls).toEqual([]);
});

test('help of what is neither command nor request is refused', async () => {
  server.answer('GET /api/v1/request-list', {text: '[]'});
  expect(await cli('help', 'nothing')).toEqual({code: 1, out: '', err: 'Unknown command or request: nothing\n'});
});

test('version is that of the package', async () => {
  const {out} = await cli('version');
  expect(out).toMatch(/^scanplane \d+\.\d+\.\d+\n$/);
  expect((await cli('--version')).out).toBe(out);
});

test('find shows ten at most unless told, all with limit=0, and whole ids of any length', async () => {
  const id = '018cc251f40x0123456789abcdef0123';
  server.answer('GET /api/v1/requests', {text: JSON.stringify([aRequest({id}), aRequest()])});
  const lines = (await cli('find')).out.split('\n');
  expect(lines[1]).toContain(`${id} test`);
  expect(lines[2]).toContain(`${ID.padEnd(id.length)} test`);
  await cli('find', 'limit=0');
  expect(server.calls.map(({path}) => new URLSearchParams(path.split('?')[1]).get('limit'))).toEqual(['10', null]);
  expect((await cli('find', 'limit=0', 'offset=3')).err).toBe('offset needs a limit\n');
  expect((await cli('find', 'user=a', 'user=b')).err).toBe('user is given twice\n');
});

test('the token goes with every call and stands in nothing that is written, --debug included', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'scanplane-token-'));
  try {
    const file = join(directory, 'token');
    writeFileSync(file, 'top-hush-hush\n');
    server.answer('GET /api/v1/request-list', {text: JSON.stringify([{Name: 'test', Args: []}])});
    server.answer('POST /api/v1/requests', {status: 201, text: JSON.stringify(aRequest({state: 1}))});
    const {code, out, err} = await runCli(['--debug', '--addr', server.url, '--token-file', file, 'start', 'test'], {typed: 'ok\n'});
    expect(code).toBe(0);
    expect(server.calls.map(({headers}) => headers.authorization)).toEqual(['Bearer top-hush-hush', 'Bearer top-hush-hush']);
    expect(err).toContain(`# POST ${server.url}/api/v1/requests`);
    expect(out + err).not.toContain('hush');
  } finally {
    rmSync(directory, {recursive: true});
  }
});

test('--debug tells on standard error what is asked and how it is answered', async () => {
  server.answer('GET /api/v1/requests', {text: '[]'});
  const {out, err} = await cli('--debug', 'find', 'type=scan');
  expect(out).toBe('');
  expect(err).toContain(`# GET ${server.url}/api/v1/requests?limit=10&type=scan\n# 200 after 0 ms\n`);
});

test('a program that wraps this one can change the options, add commands and take results', async () => {
  server.answer(REQUEST, {text: JSON.stringify(aRequest())});
  const taken: unknown[] = [];
  const hooks = {
    afterOptions: (options: {readonly env: string}) => ({addr: server.url, timeoutMs: 1000, isDebug: false, env: `${options.env}!`}),
    takeResult: (command: string, result: unknown) => taken.push(command, result) + 5,
    commands: [
      {
        name: 'where',
        usage: '',
        summary: 'tell the label',
        run: ({options, out}: {readonly options: {readonly env: string}; readonly out: {write(text: string): unknown}}) => {
          out.write(options.env);
          return Promise.resolve(3);
        },
      },
    ],
  };
  expect(await runCli(['--env', 'dev', 'where'], {hooks})).toEqual({code: 3, out: 'dev!', err: ''});
  expect(await runCli(['status', ID], {hooks})).toEqual({code: 7, out: '', err: ''});
  expect(taken).toEqual(['status', expect.objectContaining({id: ID})]);
});
