import {once} from 'node:events';
import {writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {parseEvent} from '../../examples/scanner/event.ts';
import {directionOf} from '../../examples/scanner/geometry.ts';
import {scanModel} from '../../examples/scanner/likelihood.ts';
import {bestFit} from '../../examples/scanner/skymap.ts';
import {eventually} from '../support/eventually.ts';
import {sampleEvent} from './sample-events.ts';
import {ScannerFixture} from './scanner-processes.ts';
import type {ScannerProcess} from './scanner-processes.ts';
import {startSkyDriverStub} from './skydriver-stub.ts';
import type {Recorded, SentBody, SkyDriverStub} from './skydriver-stub.ts';

/** As little work per pixel as there is: these tests are about who does it. */
const QUICK = {SCANNER_PIXEL_WORK: '0'};
/** Some 4 ms per pixel: long enough to step in. */
const SLOW = {SCANNER_PIXEL_WORK: '3'};
const PATIENT = {timeoutMs: 20_000};

let stub: SkyDriverStub;
let scanner: ScannerFixture;

beforeEach(async () => {
  stub = await startSkyDriverStub(sampleEvent());
  scanner = await ScannerFixture.create(stub.address);
});
afterEach(async () => {
  await scanner.stop();
  await stub.stop();
});

/** Each level of the final result with its rows checked: whole, of eight numbers, no index twice. */
function finalLevels(): Record<string, number> {
  const finals = stub.of('PUT', '/result').filter((r) => r.body.is_final === true);
  expect(finals).toHaveLength(1);
  const counts: Record<string, number> = {};
  for (const [name, level] of Object.entries(finals[0]?.body.skyscan_result ?? {})) {
    expect(level.columns).toEqual(['index', 'llh', 'E_in', 'E_tot', 'X', 'Y', 'Z', 'T']);
    for (const row of level.data) if (row.length !== 8 || !row.every(Number.isFinite)) throw new Error(`a row of ${name} is ${JSON.stringify(row)}`);
    expect(new Set(level.data.map((row) => row[0])).size).toBe(level.data.length);
    counts[name] = level.data.length;
  }
  return counts;
}

/** Partial results that hold pixels, so far. */
const partials = (): readonly Recorded[] =>
  stub.of('PUT', '/result').filter((r) => !r.body.is_final && Object.keys(r.body.skyscan_result).length > 0);

describe('a scan by a server and its workers', () => {
  test('speaks SkyDriver’s protocol from the first request to the last', async () => {
    const workers = [scanner.worker(QUICK), scanner.worker(QUICK)];
    const server = scanner.server(['8:0', '64:12'], {}, ['--cache-dir', scanner.folder, '--unheard-of', 'x']);
    expect(await server.ended).toBe(0);
    expect(await Promise.all(workers.map((w) => w.ended))).toEqual([0, 0]);

    const calls = stub.requests.map((r) => `${r.method} ${r.path}`);
    expect(calls[0]).toBe('GET /v2/scan/abc123/manifest');
    expect(calls[1]).toBe('PATCH /v2/scan/abc123/manifest');
    expect(calls).toContain('GET /v2/scan/abc123/ewms/workforce');
    expect(calls.slice(-2)).toEqual(['PUT /v2/scan/abc123/result', 'PATCH /v2/scan/abc123/manifest']);
    expect(stub.requests.every((r) => r.authorization === 'Bearer the-token')).toBe(true);

    const puts = stub.of('PUT', '/result');
    expect(puts[0]?.body).toEqual({skyscan_result: {}, is_final: false});
    expect(puts.map((r) => r.body.is_final)).toEqual([...puts.slice(1).map(() => false), true]);
    expect(partials().length).toBeGreaterThan(0);
    for (const {body} of partials()) for (const level of Object.values(body.skyscan_result)) expect(level.metadata.complete).toBe(false);

    const counts = finalLevels();
    expect(counts['nside-8']).toBe(768);
    expect(counts['nside-64']).toBeGreaterThanOrEqual(768);
    expect(puts.at(-1)?.body.skyscan_result['nside-64']?.metadata).toEqual({
      nside: 64,
      complete: true,
      run_id: 999001,
      event_id: 42,
      event_type: 'neutrino',
      mjd: expect.closeTo(60389.2606, 3),
      is_real_event: true,
      version: 1,
    });
    expect(server.log()).toContainEqual(expect.objectContaining({message: 'ignored options', options: ['unheard-of']}));
  });

  test('finds the direction of the event’s own reconstruction', async () => {
    scanner.worker(QUICK);
    const server = scanner.server(['8:0', '64:12']);
    expect(await server.ended).toBe(0);
    const found = bestFit(stub.of('PUT', '/result').at(-1)?.body.skyscan_result ?? {});
    const truth = directionOf(scanModel(parseEvent(sampleEvent())).direction);
    // Within a pixel of nside 64, which is 0.9 degrees across.
    expect(Math.abs((found?.ra ?? 0) - (truth.ra * 180) / Math.PI)).toBeLessThan(1);
    expect(Math.abs((found?.dec ?? 0) - (truth.dec * 180) / Math.PI)).toBeLessThan(1);
  });

  test('reports progress that says what is done, what is expected, and when it ended', async () => {
    scanner.worker(QUICK);
    expect(await scanner.server(['8:0', '64:12']).ended).toBe(0);
    const patches = stub.of('PATCH', '/manifest').map((r) => r.body);
    const [firstBody, lastBody] = [patches[0] as SentBody, patches.at(-1) as SentBody];
    for (const body of patches) {
      expect(Object.keys(body).sort()).toEqual(['event_metadata', 'progress', 'scan_metadata']);
      expect(body.event_metadata).toEqual(firstBody.event_metadata);
      expect(body.scan_metadata).toEqual({scan_id: 'abc123', nside_progression: {8: 0, 64: 12}, position_variations: 7});
      expect(body.progress).toMatchObject({summary: expect.any(String), epilogue: expect.any(String), predictive_scanning_threshold: 1});
      expect(body.progress.last_updated).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      expect(Number.isInteger(body.progress.start)).toBe(true);
      expect(Object.keys(body.progress.tallies)).toEqual(['nsides', 'overall', 'est. scan timeline']);
      expect(body.progress.tallies.nsides).toMatchObject({8: {recos: {}, pixels: {}}, 64: {recos: {}, pixels: {}}});
      expect(body.progress.tallies.overall.pixels.expected).toBeGreaterThanOrEqual(1536);
      const {done} = body.progress.tallies.overall.pixels;
      expect(Object.keys(body.progress.processing_stats).includes('rate')).toBe(done > 0);
    }
    const [first, last] = [firstBody.progress, lastBody.progress];
    expect(first).toMatchObject({end: null, tallies: {overall: {recos: {done: 0}}}});
    expect(first.processing_stats).toEqual({start: {'scanner start': expect.any(String)}, runtime: {elapsed: expect.any(String)}});
    expect(patches.some((b) => b.progress.processing_stats['predictions'] !== undefined)).toBe(true);
    const {done, expected} = last.tallies.overall.pixels;
    expect(done).toBe(expected);
    expect(last.tallies.overall.recos).toEqual({done: 7 * done, expected: 7 * done});
    expect(last.processing_stats).toMatchObject({finished: true, end: expect.stringMatching(/^\d{4}-/)});
    expect(last.processing_stats['predictions']).toBeUndefined();
    expect(Number.isInteger(last.end)).toBe(true);
  });

  test('of twelve pixels is over at once where a worker is waiting', async () => {
    const worker = scanner.worker(QUICK);
    const server = scanner.server(['1:0'], {SCANNER_WORKFORCE_INTERVAL_SEC: '600'});
    expect(await server.ended).toBe(0);
    expect(await worker.ended).toBe(0);
    expect(finalLevels()).toEqual({'nside-1': 12});
    const [begun, ended] = [stub.requests[0]!.atMs, stub.requests.at(-1)!.atMs];
    expect(ended - begun).toBeLessThan(2000);
  });

  test('reports at intervals between rounds', async () => {
    scanner.worker(SLOW);
    const server = scanner.server(['4:0'], {SKYSCAN_PROGRESS_INTERVAL_SEC: '0.1', SKYSCAN_RESULT_INTERVAL_SEC: '0.3'});
    await server.ended;
    expect(stub.of('PATCH', '/manifest').length).toBeGreaterThan(stub.of('PUT', '/result').length);
    const sizes = partials().map((r) => r.body.skyscan_result['nside-4']?.data.length ?? 0);
    expect(sizes.length).toBeGreaterThan(1);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  });

  test('with a threshold below 1 begins the finer resolution early and still completes both', async () => {
    scanner.worker(QUICK);
    expect(await scanner.server(['8:0', '64:12'], {}, ['--predictive-scanning-threshold', '0.5']).ended).toBe(0);
    const counts = finalLevels();
    expect(counts['nside-8']).toBe(768);
    expect(counts['nside-64']).toBeGreaterThanOrEqual(768);
    expect(stub.of('PATCH', '/manifest').at(-1)?.body.progress.predictive_scanning_threshold).toBe(0.5);
  });

  test('writes what could not be computed in time as <skyreader.nan>', async () => {
    scanner.worker({SCANNER_PIXEL_WORK: '1', EWMS_PILOT_TASK_TIMEOUT: '0.0000001'});
    expect(await scanner.server(['1:0']).ended).toBe(0);
    const rows = stub.of('PUT', '/result').at(-1)?.body.skyscan_result['nside-1']?.data;
    expect(rows).toHaveLength(12);
    expect(rows?.[0]).toEqual([0, ...Array.from({length: 7}, () => '<skyreader.nan>')]);
  });
});

describe('a worker', () => {
  test('that is killed in the middle of its pixels loses none', async () => {
    const doomed = scanner.worker(SLOW);
    const server = scanner.server(['8:0', '64:12']);
    await eventually(() => partials().length > 0, PATIENT);
    doomed.child.kill('SIGKILL');
    expect(await doomed.ended).toBe('SIGKILL');
    const heir = scanner.worker(QUICK);
    expect(await server.ended).toBe(0);
    expect(await heir.ended).toBe(0);
    expect(finalLevels()['nside-8']).toBe(768);
    expect(server.log()).toContainEqual(expect.objectContaining({message: 'took pixels back from a worker that is gone'}));
  });

  test('that hangs loses its pixels to another, and what it answers later counts no second time', async () => {
    const stuck = scanner.worker(SLOW);
    const server = scanner.server(['8:0'], {SCANNER_LEASE_SEC: '1'});
    await eventually(() => partials().length > 0, PATIENT);
    stuck.child.kill('SIGSTOP');
    await eventually(() => server.log().some((l) => l['message'] === 'took pixels back from a worker that is too slow'), PATIENT);
    stuck.child.kill('SIGCONT');
    scanner.worker(QUICK);
    expect(await server.ended).toBe(0);
    expect(finalLevels()).toEqual({'nside-8': 768});
    expect(stub.of('PATCH', '/manifest').at(-1)?.body.progress.tallies.overall.pixels).toEqual({done: 768, expected: 768});
  });

  test('outlives its server and works for the next one in the same folder', async () => {
    const workers = [scanner.worker(SLOW), scanner.worker(SLOW)];
    const first = scanner.server(['4:0']);
    await eventually(() => partials().length > 0, PATIENT);
    first.child.kill('SIGKILL');
    await first.ended;
    const {token} = await scanner.startup();
    const second = scanner.server(['4:0']);
    expect(await second.ended).toBe(0);
    expect((await scanner.startup()).token).not.toBe(token);
    expect(await Promise.all(workers.map((w) => w.ended))).toEqual([0, 0]);
    expect(finalLevels()).toEqual({'nside-4': 192});
  });

  test('is not misled by the file of a server that is gone, nor by whoever has its port now', async () => {
    const stranger = createServer((_request, response) => response.end('"hello"')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const {port} = stranger.address() as AddressInfo;
    await writeFile(scanner.startupFile, JSON.stringify({address: 'http://127.0.0.1:9', token: 'old', started: ''}));
    const worker = scanner.worker(QUICK);
    await eventually(() => worker.log().some((l) => l['message'] === 'no server there, waiting'), PATIENT);
    await writeFile(scanner.startupFile, JSON.stringify({address: `http://127.0.0.1:${port}`, token: 'older', started: ''}));
    await eventually(() => worker.log().filter((l) => l['message'] === 'no server there, waiting').length > 1, PATIENT);
    await writeFile(scanner.startupFile, '{"half a fi');
    expect(await scanner.server(['1:0']).ended).toBe(0);
    expect(await worker.ended).toBe(0);
    stranger.closeAllConnections();
    stranger.close();
  });

  test('ends at once on SIGTERM, whether it waits or works', async () => {
    const says = (worker: ScannerProcess, message: string) => eventually(() => worker.log().some((l) => l['message'] === message), PATIENT);
    const waiting = scanner.worker();
    await says(waiting, 'waiting for a server');
    waiting.child.kill('SIGTERM');
    expect(await waiting.ended).toBe(0);
    scanner.server(['8:0']);
    const working = scanner.worker(SLOW);
    await says(working, 'working');
    working.child.kill('SIGTERM');
    expect(await working.ended).toBe(0);
  });

  test('must show the token of the server', async () => {
    scanner.server(['1:0']);
    const {address} = await eventually(() => scanner.startup(), PATIENT);
    for (const headers of [{}, {authorization: 'Bearer wrong'}] as Record<string, string>[]) {
      expect((await fetch(`${address}/model`, {headers})).status).toBe(401);
      expect((await fetch(`${address}/work`, {method: 'POST', headers, body: '{"worker":"w"}'})).status).toBe(401);
    }
  });
});

describe('the server', () => {
  test('stops by the kill switch, without a final result', async () => {
    for (const status of [
      {is_deleted: true, ewms_deactivated: null},
      {is_deleted: false, ewms_deactivated: 'ABORTED'},
    ]) {
      stub.override = (_method, path) => (path.endsWith('/status') ? {body: status} : undefined);
      expect(await scanner.server(['8:0'], {SKYSCAN_KILL_SWITCH_CHECK_INTERVAL: '0.1'}).ended).toBe(130);
    }
    expect(stub.of('PUT', '/result').filter((r) => r.body.is_final)).toEqual([]);
  });

  test('goes on while status and workforce cannot be had', async () => {
    stub.override = (method) => (method === 'GET' && stub.requests.length > 1 ? {status: 500} : undefined);
    const server = scanner.server(['4:0'], {SKYSCAN_KILL_SWITCH_CHECK_INTERVAL: '0.05', SCANNER_WORKFORCE_INTERVAL_SEC: '0.05'});
    const unknown = (what: string) => (): boolean => server.log().filter((l) => l['message'] === what).length > 1;
    await eventually(unknown('status unknown'), PATIENT);
    await eventually(unknown('workforce unknown'), PATIENT);
    scanner.worker(QUICK);
    expect(await server.ended).toBe(0);
    expect(finalLevels()).toEqual({'nside-4': 192});
  });

  test('does not mind reports on the way that are refused', async () => {
    stub.override = (method, path) =>
      method === 'PATCH' && path.endsWith('/manifest') && stub.of('PUT', '/result').length === 0 ? {status: 400} : undefined;
    scanner.worker(QUICK);
    const server = scanner.server(['1:0']);
    expect(await server.ended).toBe(0);
    expect(server.log()).toContainEqual(expect.objectContaining({message: 'report not delivered', what: 'progress'}));
  });

  test('asks for its event, and hands in the final result, until it is heard', async () => {
    let [gets, puts] = [0, 0];
    stub.override = (method, path) => {
      if (method === 'GET' && path.endsWith('/manifest') && gets++ < 2) return {status: 503, headers: {'retry-after': '0'}};
      if (method === 'PUT' && stub.requests.at(-1)?.body.is_final && puts++ < 2) return {status: 502};
      return undefined;
    };
    scanner.worker(QUICK);
    expect(await scanner.server(['1:0']).ended).toBe(0);
    expect(stub.of('GET', '/manifest')).toHaveLength(3);
    expect(stub.of('PUT', '/result').filter((r) => r.body.is_final)).toHaveLength(3);
  });

  test('fails with 1 where its scan is unknown or the final result is refused, with 2 where the event or the command line is none', async () => {
    stub.override = (method, path) => (method === 'GET' && path.endsWith('/manifest') ? {status: 404} : undefined);
    expect(await scanner.server(['1:0']).ended).toBe(1);
    stub.override = (method) => (method === 'PUT' && stub.requests.at(-1)?.body.is_final ? {status: 403} : undefined);
    scanner.worker(QUICK);
    expect(await scanner.server(['1:0']).ended).toBe(1);
    stub.override = () => ({body: {event_i3live_json_dict: "use 'i3_event_id'"}});
    expect(await scanner.server(['1:0']).ended).toBe(2);
    const wrong = scanner.server(['3:0']);
    expect(await wrong.ended).toBe(2);
    expect(wrong.log()).toContainEqual(expect.objectContaining({message: 'failed', reason: expect.stringContaining('power of two')}));
    expect(await scanner.server(['1:0'], {SKYSCAN_SKYDRIVER_SCAN_ID: ''}).ended).toBe(2);
  });

  test('gives up when no pixel comes back for too long', async () => {
    expect(await scanner.server(['1:0'], {SKYSCAN_MQ_TIMEOUT_FROM_CLIENTS: '0.5'}).ended).toBe(1);
  });

  test('ends at once on SIGTERM, without a final result', async () => {
    const server = scanner.server(['8:0']);
    await eventually(() => stub.of('PATCH', '/manifest').length > 0, PATIENT);
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(143);
    expect(stub.of('PUT', '/result').filter((r) => r.body.is_final)).toEqual([]);
  });

  test('writes nothing secret into its log', async () => {
    scanner.worker(QUICK);
    const server = scanner.server(['1:0']);
    const {token} = await eventually(() => scanner.startup(), PATIENT);
    await server.ended;
    const text = JSON.stringify(server.log());
    expect(text).not.toContain(token);
    expect(text).not.toContain('the-token');
  });
});
