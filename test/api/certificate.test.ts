import {once} from 'node:events';
import {copyFile, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {request} from 'node:https';
import {connect} from 'node:net';
import type {TLSSocket} from 'node:tls';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import Koa from 'koa';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {listen} from '../../src/api/listen.ts';
import {silentLog} from '../../src/lib/log.ts';
import {eventually} from '../support/eventually.ts';

let folder: string;
let files: {readonly cert: string; readonly key: string};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scanplane-certificate-'));
  files = {cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key')};
});
afterEach(async () => {
  await rm(folder, {recursive: true});
});

const pairOf = (name: string): {readonly cert: string; readonly key: string} => ({
  cert: join(import.meta.dirname, '..', 'support', 'certificates', `${name}.crt`),
  key: join(import.meta.dirname, '..', 'support', 'certificates', `${name}.key`),
});
async function put(name: string): Promise<void> {
  await copyFile(pairOf(name).cert, files.cert);
  await copyFile(pairOf(name).key, files.key);
}

/** The name in the certificate that a new connection gets, and what is answered. */
function ask(port: number): Promise<{readonly name: string; readonly text: string}> {
  return new Promise((resolve, reject) => {
    const asking = request({host: '127.0.0.1', port, path: '/', rejectUnauthorized: false, agent: false}, (answer) => {
      const {CN: name} = (answer.socket as TLSSocket).getPeerCertificate().subject;
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve({name: String(name), text}));
    });
    asking.on('error', reject);
    asking.end();
  });
}

test('with a certificate HTTPS alone is spoken, and files that are replaced are taken in without a restart, once they belong together', async () => {
  await put('one');
  const app = new Koa();
  app.use((ctx) => {
    ctx.body = `secure: ${ctx.secure}`;
  });
  const server = await listen(app, {host: '127.0.0.1', port: 0, ...files, certificateLookMs: 20}, silentLog);
  try {
    expect(await ask(server.port)).toEqual({name: 'localhost one', text: 'secure: true'});
    await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow('fetch failed');
    await copyFile(pairOf('two').cert, files.cert);
    await new Promise((resolve) => setTimeout(resolve, 100)); // Some looks.
    expect((await ask(server.port)).name).toBe('localhost one');
    await put('two');
    await eventually(async () => (await ask(server.port)).name === 'localhost two');
  } finally {
    await server.close();
  }
});

test('a certificate of no use is told with its files before anything listens', async () => {
  await put('one');
  await copyFile(pairOf('two').key, files.key);
  const listening = (): Promise<unknown> => listen(new Koa(), {host: '127.0.0.1', port: 0, ...files}, silentLog);
  await expect(listening()).rejects.toMatchObject({code: 'invalid', message: expect.stringContaining(files.cert) as string});
  await writeFile(files.cert, 'no PEM');
  await expect(listening()).rejects.toMatchObject({code: 'invalid'});
  await rm(files.key);
  await expect(listening()).rejects.toMatchObject({code: 'invalid', message: expect.stringContaining(files.key) as string});
});

test('a server ends though somebody has connected and not begun to speak TLS', async () => {
  await put('one');
  const server = await listen(new Koa(), {host: '127.0.0.1', port: 0, ...files, drainMs: 100}, silentLog);
  const silent = connect(server.port, '127.0.0.1');
  await once(silent, 'connect');
  expect((await ask(server.port)).name).toBe('localhost one'); // By now the server has taken the other connection, too.
  const gone = once(silent, 'close');
  await server.close();
  await gone;
});
