import {createHash, randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {request} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {ApiProcess} from '../support/api-process.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import type {ProbeReading} from '../support/probe.ts';
import {rawRequest} from '../support/raw-http.ts';
import {fullSky, skyscanResult} from '../support/skyscan-result.ts';
import type {NanStyle} from '../support/skyscan-result.ts';

const MIB = 1024 * 1024;
const MAX_TURN_MS = 50;
/** What the process may take: 128 MiB of bodies that it holds at once, its heap, and what waits to be collected. */
const MAX_MEMORY = 1280 * MIB;

let etcd: TestEtcd;
let api: ApiProcess;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await ApiProcess.start({endpoint: etcd.endpoint});
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
});

async function newScan(event = '{"a": 22}'): Promise<string> {
  const rest = {
    docker_tag: 'latest',
    reco_algo: 'anything',
    nsides: {'64': 12, '8': 0},
    real_or_simulated_event: 'real',
    max_pixel_reco_time: 60,
    request_clusters: {local: 1},
  };
  const body = `{"event_i3live_json": ${event}, ${JSON.stringify(rest).slice(1)}`;
  const {status, bytes} = await rawRequest('POST', `${api.url}/v2/scan`, {body});
  expect(status).toBe(200);
  return (JSON.parse(bytes.toString()) as {scan_id: string}).scan_id;
}

/** The calmest of several rounds: what holds up the event loop does so in each; another process that takes our processor does not. */
async function calmest(rounds: number, round: () => Promise<unknown>): Promise<ProbeReading> {
  const readings: ProbeReading[] = [];
  for (let i = 0; i < rounds; i++) {
    await api.reading();
    await round();
    readings.push(await api.reading());
  }
  const shown = readings.map(
    (each) => `${each.longestTurnMs.toFixed(0)} (${each.busiestTurnMs.toFixed(0)}) ms, ${(each.rssBytes / MIB).toFixed(0)} MiB`,
  );
  process.stderr.write(`  longest (busiest) turn, memory: ${shown.join('; ')}\n`);
  return readings.reduce((best, each) => (each.longestTurnMs < best.longestTurnMs ? each : best));
}

function expectCalm({longestTurnMs, busiestTurnMs}: ProbeReading): void {
  expect(busiestTurnMs).toBeLessThan(MAX_TURN_MS);
  expect(longestTurnMs).toBeLessThan(MAX_TURN_MS);
}

/** An object of many megabytes with one long text that does not compress. */
function incompressible(bytes: number): Buffer {
  return Buffer.concat([
    Buffer.from('{"text": "'),
    Buffer.from(randomBytes(Math.ceil(bytes * 0.75)).toString('base64')).subarray(0, bytes - 12),
    Buffer.from('"}'),
  ]);
}

describe.each([
  [64, 7.18e6, '"<skyreader.nan>"'],
  [64, 7.18e6, 'NaN'],
  [128, 28.9e6, '"<skyreader.nan>"'],
  [128, 28.9e6, 'NaN'],
] as const)('a full sky at nside %d (%d bytes, %s)', (nside, size, nan: NanStyle) => {
  test('goes in and comes back byte for byte, and nobody is held up for 50 ms', async () => {
    const text = skyscanResult([[nside, fullSky(nside)]], nan);
    expect(Math.abs(text.length / size - 1)).toBeLessThan(0.03);
    expect(text).toContain(nan);
    const body = Buffer.from(`{"skyscan_result": ${text}, "is_final": false}`);
    const id = await newScan();
    const expected = Buffer.from(`{"scan_id":"${id}","skyscan_result":${text},"is_final":false}`);
    const reading = await calmest(4, async () => {
      const put = await rawRequest('PUT', `${api.url}/scan/${id}/result`, {body});
      expect(put.status).toBe(200);
      expect(put.bytes.equals(expected)).toBe(true);
      const got = await rawRequest('GET', `${api.url}/scan/${id}/result`);
      expect(got.headers['content-length']).toBe(String(expected.length));
      expect(got.bytes.equals(expected)).toBe(true);
      const both = await rawRequest('GET', `${api.url}/scan/${id}`);
      expect(both.bytes.subarray(both.bytes.length - expected.length - 1, -1).equals(expected)).toBe(true);
    });
    expectCalm(reading);
  });
});

describe('the largest bodies', () => {
  test.each([
    ['declared', {}],
    ['of unknown length', {'transfer-encoding': 'chunked'}],
  ])('case 74: a result of 99 MiB, %s, goes in and comes back, and nobody is held up', async (_, headers) => {
    const id = await newScan();
    const text = incompressible(99 * MIB);
    const body = Buffer.concat([Buffer.from('{"is_final": true, "skyscan_result": '), text, Buffer.from('}')]);
    const reading = await calmest(3, async () => {
      const put = await rawRequest('PUT', `${api.url}/scan/${id}/result`, {body, headers});
      expect(put.status).toBe(200);
      const got = await rawRequest('GET', `${api.url}/scan/${id}/result`);
      expect(got.bytes.indexOf(text)).toBe(`{"scan_id":"${id}","skyscan_result":`.length);
    });
    expectCalm(reading);
  });

  test('case 74: a body of 105 MiB is refused, whether it says so before or not, and nothing is stored', async () => {
    const id = await newScan();
    const body = Buffer.concat([Buffer.from('{"is_final": true, "skyscan_result": '), incompressible(105 * MIB), Buffer.from('}')]);
    for (const headers of [{}, {'transfer-encoding': 'chunked'}]) {
      // A client that goes on sending may find the connection closed before it reads the answer.
      const put = await rawRequest('PUT', `${api.url}/scan/${id}/result`, {body, headers}).catch((err: NodeJS.ErrnoException) => err);
      if ('status' in put) expect(put.status).toBe(413);
      else expect(['ECONNRESET', 'EPIPE']).toContain(put.code);
    }
    expect((await rawRequest('GET', `${api.url}/scan/${id}/result`)).bytes.toString()).toBe('{}');
  });

  test.each(['an object', 'a text'])('an event of 30 MB, given as %s, is stored as it was sent', async (form) => {
    const event = skyscanResult([[128, fullSky(128)]], 'NaN');
    const given = form === 'an object' ? event : JSON.stringify(event);
    let id = '';
    const reading = await calmest(3, async () => (id = await newScan(given)));
    expectCalm(reading);
    const got = await rawRequest('GET', `${api.url}/scan/${id}/i3-event`);
    expect(got.bytes.equals(Buffer.from(`{"i3_event":${event}}`))).toBe(true);
    const asked = JSON.parse((await rawRequest('GET', `${api.url}/scan-request/${id}`)).bytes.toString()) as {nsides: unknown};
    expect(JSON.stringify(asked.nsides)).toBe('{"8":0,"64":12}'); // As JavaScript orders them; the text keeps the order.
  });
});

describe('many at once', () => {
  test('thirty results of 29 MB at the same time take bounded memory, and nobody is held up for 50 ms', async () => {
    const text = skyscanResult([[128, fullSky(128)]], 'NaN');
    const body = Buffer.from(`{"skyscan_result": ${text}, "is_final": true}`);
    await api.restart(); // What came before has left its mark on the process.
    const ids = await Promise.all(Array.from({length: 30}, () => newScan()));
    await api.reading();
    const sums = await Promise.all(
      ids.map(async (id) => {
        const put = await rawRequest('PUT', `${api.url}/scan/${id}/result`, {body});
        return createHash('sha256')
          .update(put.bytes.subarray(`{"scan_id":"${id}",`.length))
          .digest('hex');
      }),
    );
    const {rssBytes, busiestTurnMs} = await api.reading();
    process.stderr.write(`  thirty at once: ${(rssBytes / MIB).toFixed(0)} MiB, busiest turn ${busiestTurnMs.toFixed(0)} ms\n`);
    expect(new Set(sums)).toEqual(new Set([createHash('sha256').update(`"skyscan_result":${text},"is_final":true}`).digest('hex')]));
    expect(rssBytes).toBeLessThan(MAX_MEMORY);
    expect(busiestTurnMs).toBeLessThan(MAX_TURN_MS);
  });

  test('forty clients that do not read their answers hold little memory, and no one else up', async () => {
    const text = skyscanResult([[128, fullSky(128)]]);
    const id = await newScan();
    await rawRequest('PUT', `${api.url}/scan/${id}/result`, {body: `{"skyscan_result": ${text}, "is_final": true}`});
    await api.restart();
    const {rssBytes: before} = await api.reading();
    const slow = await Promise.all(
      Array.from({length: 40}, async () => {
        const outgoing = request(`${api.url}/scan/${id}/result`);
        outgoing.end();
        const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
        return {outgoing, incoming}; // Nobody reads it.
      }),
    );
    const whole = await rawRequest('GET', `${api.url}/scan/${id}/result`);
    expect(whole.bytes.length).toBeGreaterThan(text.length);
    const {rssBytes} = await api.reading();
    process.stderr.write(`  forty that do not read: ${((rssBytes - before) / MIB).toFixed(0)} MiB more\n`);
    // Held whole, their answers alone would be 1.2 GB.
    expect(rssBytes - before).toBeLessThan(768 * MIB);
    // One that begins to read late gets all of it; those that leave are forgotten.
    const [late, ...others] = slow as [(typeof slow)[number], ...typeof slow];
    for (const {outgoing, incoming} of others) {
      incoming.on('error', () => {});
      outgoing.destroy();
    }
    let size = 0;
    for await (const piece of late.incoming as AsyncIterable<Buffer>) size += piece.length;
    expect(size).toBe(whole.bytes.length);
    await eventually(async () => (await rawRequest('GET', `${api.url}/livez`)).status === 200);
  });
});
