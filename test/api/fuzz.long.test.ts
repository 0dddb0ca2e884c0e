import {once} from 'node:events';
import {request as httpRequest} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import * as keys from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {seededRandom} from '../support/seeded-random.ts';
import {SCAN_BODY, startApi} from './harness.ts';
import type {TestApi} from './harness.ts';

const SEED = 20261122;
const REQUESTS = 10_000;

let etcd: TestEtcd;
let api: TestApi;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startApi(etcd.endpoint);
});

afterAll(async () => {
  await api?.stop();
  await etcd?.stop();
});

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

type Random = () => number;
const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
const times = <T>(count: number, make: () => T): T[] => Array.from({length: count}, make);

const PROGRESS = {
  ...{summary: 's', epilogue: 'e', tallies: {}, processing_stats: {start: {a: 1}, runtime: {}, rate: {x: 'y'}}},
  ...{predictive_scanning_threshold: 1, last_updated: 'now', start: 1, end: null},
};
const EVENT_METADATA = {run_id: 1, event_id: 2, event_type: 'x', mjd: 3.5, is_real_event: true};

/** Requests that are answered with 200, before they are spoilt. `ID` stands for a scan. */
const VALID: readonly {readonly method: string; readonly path: string; readonly body?: unknown}[] = [
  {method: 'GET', path: '/'},
  {method: 'POST', path: '/scan', body: SCAN_BODY},
  {method: 'POST', path: '/scan', body: {...SCAN_BODY, event_i3live_json: '{"b": [1, 2.50]}', nsides: {8: 0, 64: 12, 512: 24}}},
  {
    method: 'POST',
    path: '/scans/find',
    body: {filter: {'event_metadata.run_id': 1, priority: {$gte: 0}}, include_deleted: true, manifest_projection: ['scan_id']},
  },
  {method: 'POST', path: '/scans/find', body: {filter: {$or: [{scan_id: {$in: ['a', 'b']}}, {is_deleted: {$ne: false}}]}}},
  {method: 'GET', path: '/scans/backlog'},
  {method: 'GET', path: '/scan-request/ID'},
  {method: 'POST', path: '/scan/ID/actions/rescan', body: {abort_first: false, replace_scan: false, manifest_projection: '*'}},
  {method: 'POST', path: '/scan/ID/actions/add-workers', body: {n_workers: 3, cluster_location: 'foobar'}},
  {method: 'GET', path: '/scan/ID?include_deleted=true&no_redirect=true'},
  {method: 'DELETE', path: '/scan/ID', body: {delete_completed_scan: true, manifest_projection: ['scan_id', 'priority']}},
  {method: 'GET', path: '/scan/ID/manifest?projection=scan_id|priority&include_deleted=yes'},
  {method: 'PATCH', path: '/scan/ID/manifest', body: {progress: PROGRESS, event_metadata: EVENT_METADATA, scan_metadata: {a: 1}}},
  {method: 'GET', path: '/scan/ID/i3-event'},
  {method: 'GET', path: '/scan/ID/result?include_deleted=1'},
  {
    method: 'PUT',
    path: '/scan/ID/result',
    body: {skyscan_result: {'nside-1': {columns: ['index'], data: [[0]], metadata: {nside: 1}}}, is_final: false},
  },
  {method: 'GET', path: '/scan/ID/status'},
  {method: 'GET', path: '/scan/ID/logs'},
  {method: 'GET', path: '/scan/ID/ewms/workflow-id'},
  {method: 'POST', path: '/scan/ID/ewms/workflow-id', body: {workflow_id: 'w', ewms_address: 'ewms.example'}},
  {method: 'GET', path: '/scan/ID/ewms/workforce'},
  {method: 'GET', path: '/scan/ID/ewms/taskforces'},
  {method: 'GET', path: '/openapi.json'},
  {method: 'GET', path: '/readyz'},
  {method: 'GET', path: '/metrics'},
];

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'];
const ODD_IDS = [
  'manifest',
  'result',
  'status',
  '0',
  '__proto__',
  'constructor',
  'x'.repeat(128),
  'x'.repeat(129),
  'a-b',
  '%2e%2e',
  'a%2Fb',
  '%00',
  '%E2%82%AC',
  '%',
  '%zz',
  'ü',
  '..',
  '.',
  '~',
  '$where',
];
const ODD_TEXTS = [
  '',
  ' ',
  '\t',
  '\u0000',
  '\ud800',
  '\u202e',
  '€',
  '😀',
  '<b>',
  "'",
  '"',
  '\\',
  '{}',
  '[]',
  '..',
  '__proto__',
  'a'.repeat(5000),
  '1e999',
  'NaN',
  'null',
  'true',
];
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  1e308,
  -1e-320,
  2 ** 53,
  2 ** 63,
  [],
  {},
  [[]],
  [null],
  {a: {}},
  [1, 2],
  ['*'],
  {$where: 'x'},
  {$gt: {}},
  {$in: 1},
  {'': 0},
];

function oddValue(random: Random): unknown {
  const kind = random();
  if (kind < 0.45) return pick(random, ODD_VALUES);
  if (kind < 0.85) return pick(random, ODD_TEXTS);
  if (kind < 0.9) return times(200, () => pick(random, ODD_TEXTS));
  return Object.fromEntries(times(30, () => [pick(random, ODD_TEXTS), pick(random, ODD_VALUES)]));
}

/** A copy of a JSON value with one place of it spoilt. */
function spoil(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.15) return oddValue(random);
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value];
    if (copy.length === 0 || random() < 0.2) copy.push(oddValue(random));
    else copy[Math.floor(random() * copy.length)] = spoil(random, pick(random, copy));
    return copy;
  }
  const copy: Record<string, unknown> = {...value};
  const names = Object.keys(copy);
  const kind = random();
  if (names.length === 0 || kind < 0.15)
    copy[pick(random, [...ODD_TEXTS, 'scan_id', 'rescan_ids', 'memory', 'cluster', 'priority'])] = oddValue(random);
  else {
    const name = pick(random, names);
    if (kind < 0.3) delete copy[name];
    else copy[name] = kind < 0.6 ? oddValue(random) : spoil(random, copy[name]);
  }
  return copy;
}

/** The text of a body, spoilt as no JSON.stringify would write it. */
function spoilText(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text);
  const at = Math.floor(random() * bytes.length);
  switch (Math.floor(random() * 8)) {
    case 0:
      return bytes.subarray(0, at); // cut off
    case 1:
      bytes[at] = Math.floor(random() * 256);
      return bytes;
    case 2:
      return Buffer.concat([bytes, pick(random, [Buffer.from('}'), Buffer.from('{}'), Buffer.from([0xff, 0xfe]), Buffer.from('\ufeff')])]);
    case 3:
      return Buffer.from(
        text.replace(/:[^,{}[\]]+/, `:${pick(random, ['NaN', 'Infinity', '-Infinity', '1e999', '01', '.5', '0x1', "'a'", '\\u0041'])}`),
      );
    case 4: {
      const depth = pick(random, [10, 900, 1100, 20_000]);
      return Buffer.from(text.replace(/:[^,{}[\]]+/, () => `:${'['.repeat(depth)}${']'.repeat(depth)}`));
    }
    case 5: {
      const depth = pick(random, [900, 1100, 20_000]);
      return Buffer.from(text.replace(/:\{/, () => `:{"deep":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)},`));
    }
    case 6:
      return Buffer.from(text.replace(/^\{("[^"]*":)/, '{$1null,$1')); // the first member twice
    default:
      return Buffer.from(`${' '.repeat(Math.floor(random() * 2000))}${text}\n`);
  }
}

const ODD_HEADERS: readonly (readonly [string, readonly string[]])[] = [
  [
    'content-type',
    [
      'text/plain',
      'application/json; charset=utf-8',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'APPLICATION/JSON',
      ';',
      '',
      'application/json;;',
    ],
  ],
  ['authorization', ['Bearer', 'Bearer x', 'Basic eDp5', 'bearer  a  b', 'Bearer eyJhbGciOiJub25lIn0.e30.', '']],
  ['idempotency-key', ['a', '', 'x'.repeat(300), '"', 'k1', 'k2']],
  ['content-encoding', ['gzip', 'identity', 'x']],
  ['accept', ['text/html', '*/*', '']],
  ['host', ['example.org', 'a:99999', '']],
  ['x-forwarded-proto', ['https', 'javascript', '']],
  ['x-forwarded-host', ['evil.example', '']],
  ['expect', ['x']],
  ['if-none-match', ['*']],
  ['range', ['bytes=0-1']],
];

function oddRequest(random: Random, ids: readonly string[]): Sent {
  const {method: validMethod, path: validPath, body} = pick(random, VALID);
  const isValid = random() < 0.1;
  const odd = (share: number): boolean => !isValid && random() < share;
  const id = odd(0.15) ? pick(random, ODD_IDS) : pick(random, ids);
  let path = validPath.replace('ID', id);
  if (odd(0.1)) path = pick(random, ['/v2', '/v1', '/v0', '//', '/v2/v2']) + path;
  if (odd(0.08))
    path += pick(random, [
      '/',
      '//',
      '?',
      '#x',
      '/x',
      '%',
      '?a=%',
      '?projection=%20',
      '?include_deleted=maybe',
      '?no_redirect=true&no_redirect=',
      `?${'a=b&'.repeat(500)}`,
    ]);
  if (odd(0.03)) path = `/${times(3, () => pick(random, [...ODD_IDS, 'scan', 'scans', 'find'])).join('/')}`;
  const method = odd(0.12) ? pick(random, METHODS) : validMethod;
  const headers: Record<string, string> = {};
  let bytes: Buffer | undefined;
  if (body !== undefined || odd(0.1)) {
    let value = body ?? oddValue(random);
    for (let n = odd(0.75) ? 1 + Math.floor(random() * 3) : 0; n > 0; n--) value = spoil(random, value);
    const text = JSON.stringify(value) ?? '';
    bytes = odd(0.2) && text.length > 0 ? spoilText(random, text) : Buffer.from(text);
    headers['content-type'] = 'application/json';
  }
  if (odd(0.2)) {
    const [name, values] = pick(random, ODD_HEADERS);
    headers[name] = pick(random, values);
  }
  return {method, path, headers, body: bytes};
}

interface Reply {
  /** 0: the connection was closed without a whole answer. */
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Sends a request as it is. `undefined`: the client's own HTTP library refused to. */
async function send({method, path, headers, body}: Sent): Promise<Reply | undefined> {
  let outgoing: ReturnType<typeof httpRequest>;
  try {
    const length = body === undefined ? {} : {'content-length': String(body.length)};
    outgoing = httpRequest(api.url, {method, path, headers: {...headers, ...length}, agent: false});
  } catch {
    return undefined;
  }
  outgoing.on('error', () => {}); // Beside the rejections below.
  try {
    const answered = once(outgoing, 'response');
    outgoing.end(body);
    const [incoming] = (await answered) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return {status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '', text: Buffer.concat(chunks).toString()};
  } catch (err) {
    return {status: 0, type: '', text: String(err)};
  }
}

const shown = ({method, path, headers, body}: Sent): string =>
  `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 200)} ${body?.toString('latin1').slice(0, 600)}`;

test('whatever is sent, nothing of it breaks the server, and what is refused has written nothing', async () => {
  const random = seededRandom(SEED);
  const ids = await Promise.all(times(6, () => api.newScan()));
  const admission = {attempt: 1, slots: {foobar: 1}, admitted_at: ''};
  for (const id of ids.slice(0, 3)) await api.store.commit({compares: [], ops: [{put: keys.admissionKey(id), value: canonicalJson(admission)}]});
  const counts = new Map<number, number>();
  const faults: string[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const sent = oddRequest(random, ids);
    const before = await api.store.currentRevision();
    const answer = await send(sent);
    if (answer === undefined) continue;
    const {status, type, text} = answer;
    counts.set(status, (counts.get(status) ?? 0) + 1);
    // What SkyDriver says, too, when nobody can be asked for the workers of a scan that was handed over.
    const isOfEwms = text.includes('failed to request additional workers on EWMS');
    if ((status >= 500 && !isOfEwms) || status === 0) faults.push(`${status} ${text.slice(0, 200)} for ${shown(sent)}`);
    if (status >= 400 && (await api.store.currentRevision()) !== before) faults.push(`${status}, and something was written, for ${shown(sent)}`);
    if (
      status >= 400 &&
      status !== 431 &&
      sent.method !== 'HEAD' &&
      type.startsWith('application/json') &&
      !/^\{"code":\d+,"error":".*"\}$/s.test(text)
    ) {
      faults.push(`${status} without the shape of an error: ${text.slice(0, 200)} for ${shown(sent)}`);
    }
  }
  expect(faults.slice(0, 20)).toEqual([]);
  // Else this would be about nothing.
  expect(counts.get(200) ?? 0).toBeGreaterThan(REQUESTS / 20);
  expect(counts.get(400) ?? 0).toBeGreaterThan(REQUESTS / 10);
  expect((await api.ask('GET', '/readyz')).status).toBe(200);
  expect([...api.cache.bad.values()]).toEqual([]);
});
