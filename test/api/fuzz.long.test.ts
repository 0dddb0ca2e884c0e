import {afterAll, beforeAll, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import * as keys from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {METHODS, ODD_HEADERS, ODD_IDS, oddValue, pick, send, shown, spoil, spoilText, times} from '../support/odd-requests.ts';
import type {Random, Sent} from '../support/odd-requests.ts';
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

const PROGRESS = {
  ...{summary: 's', epilogue: 'e', tallies: {}, processing_stats: {start: {a: 1}, runtime: {}, rate: {x: 'y'}}},
  ...{predictive_scanning_threshold: 1, last_updated: 'now', start: 1, end: null},
};
const EVENT_METADATA = {run_id: 1, event_id: 2, event_type: 'x', mjd: 3.5, is_real_event: true};

const SCRIPT = {kind: 'batch', name: 'vis', version: '1.0'};
const EB = {
  ...{max_length: 1.5, scan_types: [{scan_type_id: 'a', beams: {}}], subarray_id: '01', current_scan_type: 'a', scan_id: 1, context: {x: [1]}},
  processing_blocks: [
    {script: SCRIPT, parameters: {a: {b: 1}}, priority: 1},
    {script: {...SCRIPT, kind: 'realtime'}, eb_id: null},
  ],
};
const PB = {script: SCRIPT, parameters: {a: 1}, dependencies: [{pb_id: 'pb-1', kind: ['x']}], priority: 2, extra: true};
const STATE = {status: 'RUNNING', receive_addresses: [{scan_type_id: 'a'}], deployments: {a: 'b'}, error_messages: {}, x: 1};
const CLAIM = {command: ['a'], hostname: 'h', pid: 1, ttl_seconds: 2, claimant: 'c'.repeat(20)};
const DEPLOYMENT = {type: 'job', args: {command: ['a'], env: [['a', 'b']], count: 1, retries: 0, values: {}}};

/** Of blocks, scripts and deployments. Answered with 201 or 409 where they are made or claimed. */
const OF_BLOCKS: readonly Valid[] = [
  {method: 'GET', path: '/eb?status=ACTIVE&limit=3&after=a'},
  {method: 'POST', path: '/eb?generator=fuzz', body: EB},
  {method: 'POST', path: '/eb', body: {...EB, eb_id: 'eb-1'}},
  {method: 'GET', path: '/eb/eb-1'},
  {method: 'PATCH', path: '/eb/eb-1', body: {scan_types: [{scan_type_id: 'b'}], current_scan_type: 'b', scan_id: 2, status: 'SCANNING'}},
  {method: 'DELETE', path: '/eb/eb-1'},
  {method: 'GET', path: '/pb?eb_id=eb-1&kind=batch&name=vis&version=1.0&status=WAITING'},
  {method: 'POST', path: '/pb?generator=fuzz', body: PB},
  {method: 'POST', path: '/pb', body: {script: SCRIPT, pb_id: 'pb-1', eb_id: 'eb-1'}},
  {method: 'GET', path: '/pb/pb-1'},
  {method: 'DELETE', path: '/pb/pb-1', body: {}},
  {method: 'GET', path: '/pb/pb-2/state'},
  {method: 'PUT', path: '/pb/pb-2/state', body: STATE, isOwners: true},
  {method: 'PATCH', path: '/pb/pb-2/state', body: {...STATE, reason: null}, isOwners: true},
  {method: 'PATCH', path: '/pb/pb-3/state', body: {status: 'CANCELLED', reason: 'r'}},
  {method: 'GET', path: '/pb/pb-2/owner'},
  {method: 'POST', path: '/pb/pb-3/owner', body: CLAIM},
  {method: 'PUT', path: '/pb/pb-2/owner', isOwners: true},
  {method: 'DELETE', path: '/pb/pb-3/owner', body: {}, isOwners: true},
  {method: 'GET', path: '/script?kind=batch&name=vis&version=1.0'},
  {method: 'POST', path: '/script', body: {...SCRIPT, image: 'i', command: ['a'], env: [['a', 'b']], cluster: 'c', slots: 2, x: 1}},
  {method: 'GET', path: '/script/batch:vis:1.0'},
  {method: 'PUT', path: '/script/batch:vis:1.0', body: {image: 'i', x: {}}},
  {method: 'DELETE', path: '/script/batch:vis:1.0'},
  {method: 'GET', path: '/deploy?type=job&pb_id=pb-2&status=RUNNING'},
  {method: 'POST', path: '/deploy', body: {...DEPLOYMENT, id: 'd-1', pb_id: 'pb-2'}},
  {method: 'GET', path: '/deploy/d-1'},
  {method: 'PUT', path: '/deploy/d-1', body: DEPLOYMENT},
  {method: 'DELETE', path: '/deploy/d-1'},
];

interface Valid {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** Whether it names the claim of `pb-2`. */
  readonly isOwners?: true;
}

/** Requests that are answered with 200, before they are spoilt. `ID` stands for a scan. */
const VALID: readonly Valid[] = [
  ...OF_BLOCKS,
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

function oddRequest(random: Random, ids: readonly string[], claim: string): Sent {
  const {method: validMethod, path: validPath, body, isOwners} = pick(random, VALID);
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
  const headers: Record<string, string> = isOwners === undefined || odd(0.2) ? {} : {'owner-revision': claim};
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

test('whatever is sent, nothing of it breaks the server, and what is refused has written nothing', async () => {
  const random = seededRandom(SEED);
  const ids = await Promise.all(times(6, () => api.newScan()));
  const admission = {attempt: 1, slots: {foobar: 1}, admitted_at: ''};
  for (const id of ids.slice(0, 3)) await api.store.commit({compares: [], ops: [{put: keys.admissionKey(id), value: canonicalJson(admission)}]});
  for (const pb_id of ['pb-2', 'pb-3']) {
    await api.ask('POST', '/pb', {body: {script: SCRIPT, pb_id}});
    await api.store.commit({compares: [], ops: [{put: keys.pbStateKey(pb_id), value: '{"status":"STARTING","resources_available":false}'}]});
  }
  const claim = String((await api.ask('POST', '/pb/pb-2/owner', {body: {...CLAIM, ttl_seconds: 3600}})).body.owner_revision);
  const counts = new Map<number, number>();
  const faults: string[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const sent = oddRequest(random, ids, claim);
    const before = await api.store.currentRevision();
    const answer = await send(api.url, sent);
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
