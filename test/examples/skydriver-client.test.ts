import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {RequestError, SkyDriverClient} from '../../examples/scanner/skydriver-client.ts';
import {startSkyDriverStub} from './skydriver-stub.ts';
import type {Answer, SkyDriverStub} from './skydriver-stub.ts';

let stub: SkyDriverStub;
let notes: {message: string; fields: Readonly<Record<string, unknown>>}[];
let client: SkyDriverClient;

beforeEach(async () => {
  stub = await startSkyDriverStub({});
  notes = [];
  client = new SkyDriverClient(stub.address, 'the-token', (message, fields = {}) => notes.push({message, fields}));
});
afterEach(() => stub.stop());

/** Answers with these, one request after the other, then as usual. */
function answers(...list: Answer[]): void {
  stub.override = () => list.shift();
}

describe('a request of the scanner', () => {
  test('goes below the path of the base address, with the token, as JSON', async () => {
    await client.send('PUT', '/scan/x/result', {a: 1}, {timeoutMs: 1000, retries: 0});
    expect(stub.requests).toMatchObject([{method: 'PUT', path: '/v2/scan/x/result', authorization: 'Bearer the-token', body: {a: 1}}]);
  });

  test('carries no authorization where there is no token', async () => {
    await new SkyDriverClient(stub.address, '', () => {}).get('/scan/x/status', {timeoutMs: 1000, retries: 0});
    expect(stub.requests[0]?.authorization).toBeUndefined();
  });

  for (const status of [408, 429, 500, 502, 503, 504]) {
    test(`is made again after ${status}`, async () => {
      answers({status});
      await client.get('/scan/x/status', {timeoutMs: 1000, retries: 1});
      expect(stub.requests).toHaveLength(2);
    });
  }

  for (const status of [302, 400, 401, 403, 404, 409, 501]) {
    test(`fails at once on ${status}`, async () => {
      answers({status});
      await expect(client.get('/scan/x/status', {timeoutMs: 1000, retries: 5})).rejects.toMatchObject({status});
      expect(stub.requests).toHaveLength(1);
    });
  }

  test('waits 0, 0.6, 1.2 ... seconds between attempts, and fails after the last', async () => {
    stub.override = () => ({status: 503});
    await expect(client.get('/scan/x/status', {timeoutMs: 1000, retries: 2})).rejects.toThrow(/503/);
    expect(notes.map((n) => n.fields['waitMs'])).toEqual([0, 600]);
    expect(stub.requests[2]!.atMs - stub.requests[1]!.atMs).toBeGreaterThan(590);
  });

  test('waits as long as Retry-After says', async () => {
    answers({status: 429, headers: {'retry-after': '1'}});
    await client.get('/scan/x/status', {timeoutMs: 1000, retries: 1});
    expect(stub.requests[1]!.atMs - stub.requests[0]!.atMs).toBeGreaterThan(990);
  });

  test('gives up on silence, and says so', async () => {
    const slow = new SkyDriverClient('http://127.0.0.1:9', '', () => {});
    const refused = slow.get('/scan/x/status', {timeoutMs: 200, retries: 0});
    await expect(refused).rejects.toThrow(RequestError);
    await expect(refused).rejects.toThrow(/ECONNREFUSED/);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    stub.delay = () => held;
    await expect(client.get('/scan/x/status', {timeoutMs: 100, retries: 0})).rejects.toMatchObject({status: undefined});
    release();
  });

  test('is made again when the connection breaks', async () => {
    let count = 0;
    stub.breakConnection = () => count++ === 0;
    await client.send('PATCH', '/scan/x/manifest', {}, {timeoutMs: 1000, retries: 1});
    expect(stub.requests).toHaveLength(2);
  });
});
