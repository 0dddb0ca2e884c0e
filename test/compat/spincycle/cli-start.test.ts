import {afterEach, beforeEach, expect, test} from 'vitest';
import {runCli} from '../../support/request-cli.ts';
import {anArg, aRequest} from '../../support/request-records.ts';
import {startRequestServer} from '../../support/request-server.ts';
import type {RequestServer} from '../../support/request-server.ts';

const ID = 'c0ffee00c0ffee00c0ff';
let server: RequestServer;
beforeEach(async () => {
  server = await startRequestServer();
  const args = [anArg('foo', 'required', {Desc: 'the foo'}), anArg('longer', 'optional', {Desc: 'how long', Default: '175'})];
  server.answer('GET /api/v1/request-list', {
    text: JSON.stringify([
      {Name: 'other', Args: []},
      {Name: 'test', Args: args},
    ]),
  });
  server.answer('POST /api/v1/requests', {status: 201, text: JSON.stringify(aRequest({state: 1}))});
});
afterEach(() => server[Symbol.asyncDispose]());

function cli(argv: readonly string[], typed?: string): ReturnType<typeof runCli> {
  return runCli(['--addr', server.url, ...argv], typed === undefined ? {} : {typed});
}

function created(): unknown {
  const bodies = server.calls.filter(({method}) => method === 'POST').map(({body}) => JSON.parse(body) as unknown);
  expect(bodies.length).toBeLessThanOrEqual(1);
  return bodies[0];
}

test('case 299: help of a request marks what is required, pads names, shows defaults and how to start it', async () => {
  expect(await cli(['help', 'test'])).toEqual({
    code: 0,
    err: '',
    out: `Server: ${server.url}

test: arguments (* required)

  * foo     the foo
    longer  how long (default: 175)

To start: scanplane request --addr ${server.url} start test
`,
  });
});

test('case 306: an argument is split at its first =, and one that the request does not take is refused', async () => {
  expect((await cli(['start', 'test', 'foo=a=b'], 'ok\n')).code).toBe(0);
  expect(created()).toEqual({Type: 'test', Args: {foo: 'a=b'}, User: ''});
  const refused = await cli(['start', 'test', 'foo=1', 'nope=2', 'neither=3']);
  expect(refused).toEqual({code: 1, out: '', err: 'Unknown args: nope, neither\n'});
});

test('case 307: with any argument given, optional ones are not asked for, and the line that repeats the call has what was given', async () => {
  const {code, out} = await cli(['start', 'test', 'foo=val'], 'ok\n');
  expect(code).toBe(0);
  expect(out).toContain('start test foo=val\n');
  expect(out).not.toContain('longer');
});

test('case 308: the line that repeats the call has the flags that were typed', async () => {
  const {out} = await runCli(['--config', '/nonexistent/c.yaml', '--addr', server.url, '--env', 'staging', 'start', 'test', 'foo=val'], {
    typed: 'ok\n',
  });
  const flags = `--env staging --addr ${server.url} --config /nonexistent/c.yaml`;
  expect(out).toContain(`# scanplane request ${flags} start test foo=val\n`);
  expect(out).toContain(`  scanplane request ${flags} status ${ID}\n`);
});

test('case 309: the line that repeats the call quotes values with blanks', async () => {
  expect((await cli(['start', 'test', 'foo=two words'], 'ok\n')).out).toContain('start test foo="two words"\n');
});

test('case 313: no command, and --help, are help and no error', async () => {
  const none = await cli([]);
  expect(none).toMatchObject({code: 0, err: ''});
  expect(none.out).toContain(`Server: ${server.url}\n\nRequests:\n  other\n  test\n\n`);
  const help = await cli(['--help']);
  expect(help).toMatchObject({code: 0, err: ''});
  expect(help.out).toContain('Usage: scanplane request [flags] command [request|id] [args]');
});
