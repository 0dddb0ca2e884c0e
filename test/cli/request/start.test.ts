import {PassThrough} from 'node:stream';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {eventually} from '../../support/eventually.ts';
import {beginCli, runCli} from '../../support/request-cli.ts';
import {anArg, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const ID = 'c0ffee00c0ffee00c0ff';
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
  const args = [
    anArg('foo', 'required', {Desc: 'the foo'}),
    anArg('baz', 'required'),
    anArg('bar', 'optional', {Desc: 'how many', Default: '175'}),
    anArg('qux', 'optional', {Default: ''}),
  ];
  server.answer('GET /api/v1/request-list', {text: JSON.stringify([{Name: 'test', Args: args}])});
  server.answer('POST /api/v1/requests', {status: 201, text: JSON.stringify(aRequest({state: 1}))});
});
afterEach(() => server[Symbol.asyncDispose]());

function cli(argv: readonly string[], typed = ''): ReturnType<typeof runCli> {
  return runCli(['--addr', server.url, ...argv], {typed});
}

function createdBodies(): unknown[] {
  return server.calls.filter(({method}) => method === 'POST').map(({body}) => JSON.parse(body) as unknown);
}

test('without arguments all are asked for: required ones until they are answered, optional ones once', async () => {
  const {code, out, err} = await cli(['start', 'test'], '\nfoo value\nb\n\nq\nno\nok\n');
  expect({code, err}).toEqual({code: 0, err: ''});
  expect(out).toBe(`# the foo
foo=# the foo
foo=baz=# how many (default: 175)
bar=bar=175
# (default: )
qux=
# scanplane request --addr ${server.url} start test foo="foo value" baz=b qux=q

Type 'ok' to start, Ctrl-C to leave: Type 'ok' to start, Ctrl-C to leave: OK, started test request ${ID}

  scanplane request --addr ${server.url} status ${ID}
`);
});

test('an optional argument that was left at its default is not sent', async () => {
  await cli(['start', 'test'], 'f\nb\n\nq\nok\n');
  expect(createdBodies()).toEqual([{Type: 'test', Args: {foo: 'f', baz: 'b', qux: 'q'}, User: ''}]);
});

test('with some arguments given, only required ones that are missing are asked for', async () => {
  const {out} = await cli(['start', 'test', 'bar=9'], 'f\nb\nok\n');
  expect(out).toContain('start test foo=f baz=b bar=9\n');
  expect(createdBodies()).toEqual([{Type: 'test', Args: {foo: 'f', baz: 'b', bar: '9'}, User: ''}]);
});

test.each([
  ['while it is asking for arguments', ['start', 'test'], 'f\n'],
  ['before ok was typed', ['start', 'test', 'foo=1', 'baz=2'], 'yes\n'],
])('an input that ends %s starts nothing', async (_when, argv, typed) => {
  const {code, err} = await cli(argv, typed);
  expect(code).toBe(1);
  expect(err).toBe('The input ended before everything was answered; nothing was started\n');
  expect(createdBodies()).toEqual([]);
});

test.each([
  ['at the first question', ['start', 'test'], '', 'foo='],
  ['at the last question', ['start', 'test', 'foo=1', 'baz=2'], 'no\n', "leave: Type 'ok' to start, Ctrl-C to leave: "],
])('Ctrl-C %s ends it with 130 and starts nothing', async (_when, argv, typed, question) => {
  const interrupt = new AbortController();
  const input = new PassThrough();
  input.write(typed);
  const cli = beginCli(['--addr', server.url, ...argv], {input, interrupt: interrupt.signal});
  await eventually(() => cli.out().endsWith(question));
  interrupt.abort();
  expect(await cli.done).toMatchObject({code: 130, err: ''});
  expect(createdBodies()).toEqual([]);
});

test.each([
  ['Ctrl-C', 130],
  ['no answer in time', 1],
])('when %s comes while the request is under way, the user hears that it may have been started', async (what, code) => {
  server.answer('POST /api/v1/requests', 'silence');
  const interrupt = new AbortController();
  const flags = what === 'Ctrl-C' ? [] : ['--timeout', '300'];
  const cli = beginCli(['--addr', server.url, ...flags, 'start', 'test', 'foo=1', 'baz=2'], {typed: 'ok\n', interrupt: interrupt.signal});
  await eventually(() => createdBodies().length === 1);
  if (what === 'Ctrl-C') interrupt.abort();
  const run = await cli.done;
  expect(run.code).toBe(code);
  expect(run.err).toContain(`It is not known whether the request was started; see scanplane request --addr ${server.url}`);
  expect(run.err).toContain('find type=test\n');
});

test.each([
  ['is no JSON', {status: 201, text: '<html>'}],
  ['has no id', {status: 201, text: '{}'}],
  ['says that the server cannot', {status: 503, text: '{"message":"not now"}'}],
])('an answer that %s leaves open whether the request was started, and the user hears of that', async (_what, answer) => {
  server.answer('POST /api/v1/requests', answer);
  const {code, err} = await cli(['start', 'test', 'foo=1', 'baz=2'], 'ok\n');
  expect(code).toBe(1);
  expect(err).toMatch(/^It is not known whether the request was started[^\n]*\n[^\n]+\n$/);
});

test('a request that the server refuses is told with its reason, once', async () => {
  const refusal = {message: 'test: foo is too short', requestId: '', httpStatus: 400};
  server.answer('POST /api/v1/requests', {status: 400, text: JSON.stringify(refusal)});
  const {code, err} = await cli(['start', 'test', 'foo=1', 'baz=2'], 'ok\n');
  expect(code).toBe(1);
  expect(err).toMatch(/^[^\n]*test: foo is too short[^\n]*400[^\n]*\n$/);
});

test('a request that the server does not offer is refused before anything is asked', async () => {
  expect(await cli(['start', 'none'])).toEqual({code: 1, out: '', err: 'Unknown request: none\n'});
  expect((await cli(['start'])).err).toBe('Usage: scanplane request start <request> [arg=value ...]\n');
});

test('the same argument twice is refused', async () => {
  expect((await cli(['start', 'test', 'foo=1', 'foo=2'])).err).toBe('foo is given twice\n');
});

test('an argument called like a member of every object is an argument like any other', async () => {
  server.answer('GET /api/v1/request-list', {
    text: JSON.stringify([{Name: 'test', Args: [anArg('__proto__', 'required'), anArg('constructor', 'required')]}]),
  });
  await cli(['start', 'test', '__proto__=a', 'constructor=b'], 'ok\n');
  expect(server.calls.at(-1)?.body).toContain('"__proto__":"a"');
  expect(server.calls.at(-1)?.body).toContain('"constructor":"b"');
});
