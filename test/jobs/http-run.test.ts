import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingMessage, Server, ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {gzipSync} from 'node:zlib';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {JobDocument} from '../../src/jobs/document.ts';
import type {HttpRun} from '../../src/schema/job-type.ts';
import {eventually} from '../support/eventually.ts';
import {HostedJobs} from '../support/job-host.ts';
import type {HostedRun} from '../support/job-host.ts';

describe('HTTP jobs', () => {
  let jobs: HostedJobs;
  let server: Server;
  let base: string;
  const seen: {readonly method: string; readonly url: string; readonly headers: IncomingMessage['headers']; readonly body: string}[] = [];

  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    '/json': (response) => response.setHeader('content-type', 'application/json; charset=utf-8').end('{"tiles": [1, 2]}'),
    '/text': (response) => response.setHeader('content-type', 'text/plain').end('{"tiles": [1, 2]}'),
    '/broken': (response) => response.setHeader('content-type', 'application/problem+json').end('{"tiles": '),
    '/proto': (response) => response.setHeader('content-type', 'application/json').end('{"__proto__": {"x": 1}}'),
    '/fails': (response) => response.writeHead(503, {'content-type': 'application/json'}).end('{"why": "busy"}'),
    '/moved': (response) => response.writeHead(302, {location: '/json'}).end(),
    '/away': (response) => response.writeHead(307, {location: `${base.replace('127.0.0.1', 'localhost')}/seen`}).end(),
    '/near': (response) => response.writeHead(303, {location: '/seen'}).end(),
    '/round': (response) => response.writeHead(301, {location: '/round'}).end(),
    '/nowhere': (response) => response.writeHead(301, {location: 'file:///etc/passwd'}).end(),
    '/large': (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify('x'.repeat(3_000_000))),
    '/bomb': (response) =>
      response.writeHead(200, {'content-type': 'text/plain', 'content-encoding': 'gzip'}).end(gzipSync(Buffer.alloc(50_000_000, 'x'))),
    '/empty': (response) => response.writeHead(204).end(),
    '/hangs': () => undefined,
    '/stalls': (response) => void response.write('beginning'),
    '/cut': (response) => {
      response.writeHead(200, {'content-length': '100'});
      response.write('some', () => response.destroy());
    },
  };

  beforeAll(async () => {
    jobs = await HostedJobs.open();
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push({method: request.method ?? '', url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString()});
        const answer = answers[new URL(request.url ?? '', 'http://x').pathname];
        if (answer === undefined) response.end('fine\n');
        else answer(response);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await jobs.close();
  });

  const call = (http: Partial<HttpRun>, args: JobDocument['args'] = {}, timeoutMs = 20_000): Promise<HostedRun> =>
    jobs.run({kind: 'http', http: {kind: 'http', method: 'GET', url: base, expect: [200], ...http}, timeout_ms: timeoutMs}, {args});
  const outcomeOf = async (...given: Parameters<typeof call>): Promise<string> => {
    const {outcome} = (await call(...given)).said;
    return `${outcome?.state} ${outcome?.error}`;
  };

  test('a call with the expected answer is COMPLETE; its JSON is handed on, its text is the output', async () => {
    const {said, stdout, exit} = await call({url: `${base}/json`});
    expect(said).toEqual({status: `GET ${base}`, data: {response: {tiles: [1, 2]}}, outcome: {state: 'COMPLETE', exit: '0', error: ''}});
    expect(stdout).toBe('{"tiles": [1, 2]}');
    expect(exit.code).toBe(0);
  });

  test('arguments are sent in url, headers and body, each written as its place needs it', async () => {
    const args = {id: 'a/../b?c#d&e=f g', who: 'Zoë & co', n: 7, list: ['"', null], none: null};
    await call(
      {
        method: 'POST',
        url: `${base}/items/\${id}/parts?q=\${who}&n=\${n}&l=\${list}&e=\${none}`,
        headers: [
          ['X-Count', 'n=${n}; $${n}'],
          ['X-List', '${list}'],
        ],
        body: {whole: '${list}', text: 'n is ${n}', n: '${n}', quoted: '${who}"', nested: [{x: '${none}'}]},
      },
      args,
    );
    const {method, url, headers, body} = seen.at(-1) as (typeof seen)[number];
    expect(method).toBe('POST');
    expect(url).toBe('/items/a%2F..%2Fb%3Fc%23d%26e%3Df%20g/parts?q=Zo%C3%AB%20%26%20co&n=7&l=%5B%22%5C%22%22%2Cnull%5D&e=');
    expect(headers).toMatchObject({'x-count': 'n=7; ${n}', 'x-list': '["\\"",null]', 'content-type': 'application/json'});
    expect(JSON.parse(body)).toEqual({whole: ['"', null], text: 'n is 7', n: 7, quoted: 'Zoë & co"', nested: [{x: null}]});
  });

  test('a text body is sent as it is; a content type that was asked for stays', async () => {
    await call({method: 'PUT', body: 'n=${n}', headers: [['Content-Type', 'application/x-www-form-urlencoded']]}, {n: 7});
    expect(seen.at(-1)).toMatchObject({method: 'PUT', body: 'n=7', headers: {'content-type': 'application/x-www-form-urlencoded'}});
  });

  test.each([
    ['an argument that is missing', {url: 'http://x/${nothing}'}, {}, 'arg nothing is not set'],
    ['an argument that would shorten the path', {url: 'http://x/a/${p}/b'}, {p: '..'}, 'an argument would change the path of its url'],
    ['arguments that would do so together', {url: 'http://x/a/${p}${p}/b'}, {p: '.'}, 'an argument would change the path of its url'],
    [
      'an argument that would change the host',
      {url: 'http://${h}/a'},
      {h: 'secret@evil.example'},
      'its url is none when the arguments are filled in',
    ],
    ['a url with a password', {url: '${u}'}, {u: 'http://me:secret@x/'}, 'its url names a user or a password'],
    ['a url of a file', {url: '${u}'}, {u: 'file:///etc/passwd'}, 'its url is neither http nor https'],
    ['a header with a line end', {headers: [['X-Who', '${w}']]}, {w: 'secret\r\nX-Admin: yes'}, 'the header X-Who would hold a control character'],
    [
      'a header with what no header has',
      {headers: [['X-Who', '${w}']]},
      {w: 'secret\u0100'},
      'the header X-Who cannot be sent: it holds characters that no header has',
    ],
  ] as const)('%s: nothing is sent, and the error shows no value', async (_what, http, args, error) => {
    const before = seen.length;
    expect(await outcomeOf(http as Partial<HttpRun>, args)).toBe(`FAIL ${error}`);
    expect(seen).toHaveLength(before);
    expect(error).not.toContain('secret');
  });

  test('another status is a failure that names neither path nor query; the answer is in the output, and not handed on', async () => {
    const {said, stdout} = await call({url: `${base}/fails?key=\${key}`, expect: [200, 204]}, {key: 'secret'});
    expect(said).toEqual({
      status: `GET ${base}`,
      outcome: {state: 'FAIL', exit: '1', error: `GET ${base}: status 503, expected 200, 204`},
    });
    expect(stdout).toBe('{"why": "busy"}');
  });

  test('a status that was expected is a success, whatever it is', async () => {
    expect(await outcomeOf({url: `${base}/fails`, expect: [503]})).toBe('COMPLETE ');
    expect(await outcomeOf({url: `${base}/empty`, expect: [204]})).toBe('COMPLETE ');
  });

  test('a redirect is the answer, unless it is to be followed', async () => {
    expect(await outcomeOf({url: `${base}/moved`})).toBe(`FAIL GET ${base}: status 302, expected 200`);
    expect(await outcomeOf({url: `${base}/moved`, expect: [302]})).toBe('COMPLETE ');
    expect((await call({url: `${base}/moved`, follow: true})).said.data).toEqual({response: {tiles: [1, 2]}});
  });

  test('whom a redirect leads to is not told the headers of the job, unless it is the same host', async () => {
    const http = {
      method: 'POST',
      body: {n: 1},
      headers: [
        ['X-Key', 'secret'],
        ['Authorization', 'secret'],
      ] as const,
      follow: true,
    };
    await call({...http, url: `${base}/away`});
    expect(seen.at(-1)).toMatchObject({method: 'POST', url: '/seen', body: '{"n":1}', headers: {'content-type': 'application/json'}});
    expect(JSON.stringify(seen.at(-1))).not.toContain('secret');
    await call({...http, url: `${base}/near`});
    expect(seen.at(-1)).toMatchObject({method: 'GET', url: '/seen', body: '', headers: {'x-key': 'secret', authorization: 'secret'}});
    expect(await outcomeOf({url: `${base}/round`, follow: true})).toBe(`FAIL GET ${base}: too many redirects`);
    expect(await outcomeOf({url: `${base}/nowhere`, follow: true})).toBe(`FAIL GET ${base}: it was redirected to an address that cannot be followed`);
  });

  test.each([
    ['/text', {}, ''],
    ['/broken', {}, 'the answer is not handed on: it is not JSON\n'],
    ['/proto', {}, 'the answer is not handed on: it has a member __proto__\n'],
  ])('an answer that is no usable JSON (%s) is output alone', async (path, data, stderr) => {
    const done = await call({url: `${base}${path}`});
    expect(done.said.outcome?.state).toBe('COMPLETE');
    expect(done.said.data ?? {}).toEqual(data);
    expect(done.stderr).toBe(stderr);
  });

  test.each(['/large', '/bomb'])('of an answer without end (%s) the beginning is kept', async (path) => {
    const {said, stderr, stdout} = await call({url: `${base}${path}`});
    expect(said.outcome?.state).toBe('COMPLETE');
    expect(said).not.toHaveProperty('data');
    expect(stderr).toBe('the answer was cut after 1048576 bytes\n');
    expect(stdout).toContain('bytes dropped here');
  });

  test.each(['/hangs', '/stalls'])('an answer that does not come, or not all of it (%s), is a failure when the time is over', async (path) => {
    expect(await outcomeOf({url: `${base}${path}`}, {}, 700)).toBe(`FAIL GET ${base}: no complete answer within 0.7 s`);
  });

  test('a connection that is refused or breaks is a failure with its code', async () => {
    expect(await outcomeOf({url: 'http://127.0.0.1:9/secret'})).toBe('FAIL GET http://127.0.0.1:9: ECONNREFUSED');
    expect(await outcomeOf({url: `${base}/cut`})).toBe(`FAIL GET ${base}: ECONNRESET`);
  });

  test('a call that is asked to stop ends at once', async () => {
    const ref = await jobs.start({kind: 'http', http: {kind: 'http', method: 'GET', url: `${base}/hangs?stop`, expect: [200]}, timeout_ms: 60_000});
    await eventually(() => expect(seen.some(({url}) => url === '/hangs?stop')).toBe(true), {timeoutMs: 10_000});
    await jobs.engine.stop(ref, jobs.engine.place);
    const {exit, said} = await jobs.end(ref);
    expect(said.outcome?.state).toBe('STOPPED');
    expect(exit).toMatchObject({code: 1, reason: 'stopped'});
  });
});
