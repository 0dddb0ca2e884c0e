import {once} from 'node:events';
import {request} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {connect} from 'node:net';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {serveApi} from '../../src/api/serve.ts';
import {loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {openDatabase} from '../../src/store/open.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {rawRequest} from '../support/raw-http.ts';
import {SCAN_BODY} from './harness.ts';

/** Long enough for a request, short enough for a test. */
const SILENCE_MS = 1000;

let etcd: TestEtcd;
let port: number;
let stop: () => Promise<void>;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  const {api: config} = loadConfig({SCANPLANE_API_PORT: '0'});
  const database = openDatabase({endpoints: [etcd.endpoint], prefix: ''}, silentLog);
  const stopping = new AbortController();
  const watching = database.cache.run(stopping.signal);
  await ensureClusters(database.store, {foobar: {engine: 'process', capacity: 8, settings: {}}});
  await database.cache.ready();
  const listening = Promise.withResolvers<number>();
  const options = {config, database, clock: systemClock, log: silentLog, onListening: listening.resolve, silenceMs: SILENCE_MS};
  const serving = serveApi(options, stopping.signal);
  port = await listening.promise;
  stop = async () => {
    stopping.abort();
    await Promise.all([serving, watching]);
    database.members.close();
  };
});
afterAll(async () => {
  await stop();
  await etcd.stop();
});

const url = (path: string): string => `http://127.0.0.1:${port}${path}`;
const large = `{"skyscan_result": {"text": "${'scan '.repeat(6_000_000)}"}, "is_final": true}`;

async function newScan(): Promise<string> {
  const {bytes} = await rawRequest('POST', url('/scan'), {body: JSON.stringify(SCAN_BODY)});
  return (JSON.parse(bytes.toString()) as {scan_id: string}).scan_id;
}

test('a client that stops reading its answer loses the connection, others do not notice', async () => {
  const id = await newScan();
  expect((await rawRequest('PUT', url(`/scan/${id}/result`), {body: large})).status).toBe(200);
  const outgoing = request(url(`/scan/${id}/result`));
  outgoing.end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  const closed = once(incoming.socket, 'close');
  incoming.on('error', () => {});
  const whole = await rawRequest('GET', url(`/scan/${id}/result`));
  expect(whole.bytes.length).toBe(Number(incoming.headers['content-length']));
  // The silence. What is on its way can be read afterwards; then it ends too early.
  await new Promise((resolve) => setTimeout(resolve, 4 * SILENCE_MS));
  let size = 0;
  incoming.on('data', (piece: Buffer) => (size += piece.length));
  await closed;
  expect(size).toBeLessThan(whole.bytes.length);
  expect(incoming.complete).toBe(false);
});

test('clients that stop sending their bodies give back the memory that they hold', async () => {
  const id = await newScan();
  // Together they declare more than a process takes at once, and send next to nothing.
  const head = `PUT /scan/${id}/result HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${90 * 1024 * 1024}\r\n\r\n{"skyscan_result":`;
  const idle = Array.from({length: 5}, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(head));
    socket.on('error', () => {});
    return socket.resume();
  });
  const ends = idle.map((socket) => once(socket, 'close'));
  // One that has to wait behind them may lose patience, and comes through in the end.
  await eventually(async () => (await rawRequest('PUT', url(`/scan/${id}/result`), {body: large})).status === 200, {timeoutMs: 20 * SILENCE_MS});
  await Promise.all(ends);
  expect((await rawRequest('GET', url(`/scan/${id}/result`))).status).toBe(200);
});
