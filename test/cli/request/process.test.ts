import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {eventually} from '../../support/eventually.ts';
import {aLogEntry, anArg, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const ID = 'c0ffee00c0ffee00c0ff';
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
  server.answer('GET /api/v1/request-list', {text: JSON.stringify([{Name: 'test', Args: [anArg('foo', 'required'), anArg('bar', 'required')]}])});
  server.answer('POST /api/v1/requests', {status: 201, text: JSON.stringify(aRequest({state: 1}))});
  server.answer(`GET /api/v1/requests/${ID}`, {text: JSON.stringify(aRequest())});
});
afterEach(() => server[Symbol.asyncDispose]());

interface Program {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<{readonly code: number | null; readonly signal: string | null; readonly out: string; readonly err: string}>;
  readonly out: () => string;
}

/** The program as users run it, in an environment that says where the server is. */
function start(...argv: readonly string[]): Program {
  const env = {PATH: process.env['PATH'], HOME: '/nonexistent', TZ: 'UTC', SCANPLANE_ADDR: server.url, SCANPLANE_TIMEOUT: '30000'};
  const child = spawn(process.execPath, [MAIN, 'request', ...argv], {env, stdio: 'pipe'});
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdin.on('error', () => {}); // It may have ended before it read everything.
  const ended = once(child, 'close').then(([code, signal]) => ({code: code as number | null, signal: signal as string | null, out, err}));
  return {child, ended, out: () => out};
}

async function run(argv: readonly string[], typed = ''): Promise<Awaited<Program['ended']>> {
  const {child, ended} = start(...argv);
  child.stdin?.end(typed);
  return ended;
}

test('what is asked for goes to standard output with exit code 0', async () => {
  expect(await run(['status', ID])).toMatchObject({code: 0, out: expect.stringContaining('   state: RUNNING\nprogress: 11%\n'), err: ''});
});

test('what goes wrong is one line on standard error with exit code 1', async () => {
  expect(await run(['status', 'none'])).toMatchObject({code: 1, out: '', err: expect.stringMatching(/^[^\n]+\n$/)});
});

test('answers that are piped in together start a request', async () => {
  const {code, out, err} = await run(['start', 'test'], 'a b\nc\nok\n');
  expect({code, err}).toEqual({code: 0, err: ''});
  expect(out).toContain('# scanplane request start test foo="a b" bar=c\n');
  expect(server.calls.filter(({method}) => method === 'POST').map(({body}) => body)).toEqual([
    JSON.stringify({Type: 'test', Args: {foo: 'a b', bar: 'c'}, User: ''}),
  ]);
});

test('Ctrl-C in a prompt ends the process with 130 and starts nothing', async () => {
  const {child, ended, out} = start('start', 'test');
  await eventually(() => out().endsWith('foo='), {timeoutMs: 20_000});
  child.kill('SIGINT');
  expect(await ended).toMatchObject({code: 130, signal: null, err: ''});
  expect(server.calls.filter(({method}) => method === 'POST')).toEqual([]);
});

test('a reader that leaves ends it without a word, as a program that knows SIGPIPE', async () => {
  const entry = aLogEntry({stdout: 'x'.repeat(4_000_000)});
  server.answer(`GET /api/v1/requests/${ID}/log`, {text: `[${entry}]`});
  const {child, ended} = start('log', ID);
  child.stdout?.once('data', () => child.stdout?.destroy());
  expect(await ended).toMatchObject({code: 141, err: ''});
});
