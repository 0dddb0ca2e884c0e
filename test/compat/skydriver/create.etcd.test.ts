import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let images: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  images = await mkdtemp(join(tmpdir(), 'scanplane-images-'));
  for (const tag of ['3.4.0', '3.1.5', '3.10.2', '4.0.1', '4.2.0', 'gcd-handling-improvements-fe8ecee']) {
    await mkdir(join(images, `skymap_scanner:${tag}`));
  }
  api = await startApi(etcd.endpoint, {imageDirectory: images});
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
  await rm(images, {recursive: true});
});

const post = (more: Record<string, unknown>, without: readonly string[] = []): Promise<Answer> => {
  const body: Record<string, unknown> = {...SCAN_BODY, ...more};
  for (const name of without) delete body[name];
  return api.ask('POST', '/scan', {body});
};

/** What a refused request is told, once it is clear that the status line and the body say the same. */
function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

const requestOf = async (more: Record<string, unknown>, without: readonly string[] = []): Promise<Answer['body']> => {
  const {body} = await post(more, without);
  return (await api.ask('GET', `/scan-request/${body.scan_id}`)).body;
};

describe('A. a good request', () => {
  test('case 1: is answered with the 17 fields of a new manifest', async () => {
    const {status, body} = await post({manifest_projection: ['*']});
    expect(status).toBe(200);
    expect(body).toEqual({
      scan_id: expect.any(String),
      timestamp: expect.any(Number),
      is_deleted: false,
      scanner_server_args: expect.stringContaining('--nsides 1:2 3:4 --real-event --predictive-scanning-threshold 1.0'),
      ewms_workflow_id: 'not-yet-requested',
      ewms_address: null,
      ewms_task: "use 'ewms_workflow_id'",
      priority: 0,
      classifiers: SCAN_BODY.classifiers,
      i3_event_id: expect.any(String),
      event_i3live_json_dict: "use 'i3_event_id'",
      event_i3live_json_dict__hash: null,
      event_metadata: null,
      scan_metadata: null,
      progress: null,
      replaced_by_scan_id: null,
      last_updated: expect.any(Number),
    });
  });

  test('case 2: ids have their forms', async () => {
    const {body} = await post({});
    expect(body.scan_id).toMatch(/^[0-9a-f]{11}x[0-9a-f]{20}$/);
    expect(body.i3_event_id).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  });

  test('case 3: times lie strictly between the client’s own', async () => {
    const now = (): number => (performance.timeOrigin + performance.now()) / 1000;
    const before = now();
    const {body} = await post({});
    expect(body.timestamp).toBeGreaterThan(before);
    expect(body.last_updated).toBeGreaterThan(body.timestamp);
    expect(now()).toBeGreaterThan(body.last_updated);
  });

  test.each([
    ['latest', '4.2.0'],
    ['3.4.0', '3.4.0'],
    ['v4', '4.2.0'],
    ['3.1', '3.1.5'],
    ['3', '3.10.2'],
    ['v3.4.0', '3.4.0'],
    ['gcd-handling-improvements-fe8ecee', 'gcd-handling-improvements-fe8ecee'],
  ])('case 4: the tag %s means %s', async (asked, stored) => {
    expect((await requestOf({docker_tag: asked})).docker_tag).toBe(stored);
  });

  test('case 5: the stored request is complete and normalised', async () => {
    const {body} = await post({request_clusters: {foobar: 1, 'a-schedd': 999, cloud: 4568}}, ['cluster']);
    const request = await api.ask('GET', `/scan-request/${body.scan_id}`);
    expect(request.body).toEqual({
      scan_id: body.scan_id,
      rescan_ids: [],
      docker_tag: '4.2.0',
      scanner_server_memory_bytes: 1_024_000_000,
      reco_algo: 'anything',
      nsides: {'1': 2, '3': 4},
      real_or_simulated_event: 'real',
      predictive_scanning_threshold: 1,
      classifiers: SCAN_BODY.classifiers,
      request_clusters: [
        ['foobar', 1],
        ['a-schedd', 999],
        ['cloud', 4568],
      ],
      worker_memory_bytes: 8_000_000_000,
      worker_disk_bytes: 1_000_000_000,
      max_pixel_reco_time: 60,
      priority: 0,
      debug_mode: ['client-logs'],
      i3_event_id: body.i3_event_id,
      scanner_server_env_from_user: {MY_ENV_VAR: true},
    });
    const repeated = [
      ['foobar', 1],
      ['a-schedd', 999],
      ['cloud', 4568],
      ['a-schedd', 1],
      ['cloud', 2],
    ];
    expect((await requestOf({cluster: repeated})).request_clusters).toEqual(repeated);
  });

  test('case 7: there is no result yet', async () => {
    const {body} = await post({});
    expect((await api.ask('GET', `/scan/${body.scan_id}/result`)).body).toEqual({});
    expect((await api.ask('GET', `/scan/${body.scan_id}`)).body).toEqual({manifest: body, result: {}});
  });

  test('nsides keep the order in which they were written', async () => {
    const body = JSON.stringify({...SCAN_BODY, nsides: 'HERE'}).replace('"HERE"', '{"64": 12, "8": 0}');
    const answer = await api.ask('POST', '/scan', {body, headers: {'content-type': 'application/json'}});
    expect(answer.body.scanner_server_args).toContain('--nsides 64:12 8:0 ');
  });

  test('the event comes back as it was sent, digit by digit', async () => {
    const event = '{"mjd": 60000.0, "big": 123456789012345678901, "10": 1, "2": "é\\u00e9"}';
    const body = JSON.stringify({...SCAN_BODY, event_i3live_json: 'HERE'}).replace('"HERE"', event);
    const {body: manifest} = await api.ask('POST', '/scan', {body, headers: {'content-type': 'application/json; charset=utf-8'}});
    const raw = await fetch(`${api.url}/scan/${manifest.scan_id}/i3-event`);
    expect(await raw.text()).toBe(`{"i3_event":${event}}`);
  });

  test('what was created stands in etcd as three keys and a blob, all of one transaction but the blob', async () => {
    const {body} = await post({priority: 7});
    const keys = (await etcd.etcdctl(['get', '--prefix', '', '--keys-only'])).split('\n');
    const own = keys.filter((key) => key.includes(body.scan_id) || key.includes(body.i3_event_id));
    expect(own).toEqual([
      expect.stringMatching(new RegExp(`^/backlog/[0-9a-f]{8}-[0-9a-f]{11}/scan/${body.scan_id}$`)),
      `/event/${body.i3_event_id}`,
      `/scan/${body.scan_id}`,
      expect.stringMatching(new RegExp(`^~blob/event/${body.i3_event_id}/[0-9a-f]{64}/000000$`)),
    ]);
    const revisions = new Set<number>();
    for (const key of own.slice(0, 3)) revisions.add((await api.store.get(key))?.createRevision ?? 0);
    expect(revisions.size).toBe(1);
  });
});

describe('G. bad data', () => {
  test('case 38: an unknown path is not found', async () => {
    expect(refusal(await api.ask('GET', '/event'))).toBe('404 Not Found');
  });

  test('case 39: an empty request is told everything that is missing', async () => {
    const reason = refusal(await api.ask('POST', '/scan', {body: {}}));
    for (const field of ['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time']) {
      expect(reason).toContain(`'${field}' is a required property`);
    }
  });

  test('case 40: every field is checked, and named', async () => {
    for (const [field, good] of Object.entries(SCAN_BODY)) {
      for (const bad of ['', '  ', '\t', typeof good === 'string' ? null : 'string']) {
        const answer = await post({[field]: bad});
        expect(answer.status, `${field} ${JSON.stringify(bad)}`).toBe(400);
        expect(refusal(answer).startsWith(`400 '${field}': `), `${field} ${JSON.stringify(bad)}: ${answer.reason}`).toBe(true);
      }
    }
  });

  test('case 41: clusters must be counted', async () => {
    const bad = [{}, {collector: 'a'}, {schedd: 'a'}, {collector: 'a', schedd: 'a'}, {collector: 'a', schedd: 'a', n_workers: 'not-a-number'}];
    for (const cluster of bad) expect(refusal(await post({cluster}))).toBe("400 'cluster': must match one of the accepted types");
  });

  test('case 42: each required field is missed by name', async () => {
    for (const field of ['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time']) {
      expect(refusal(await post({}, [field]))).toBe(`400 '${field}' is a required property`);
    }
    expect(refusal(await post({}, ['cluster']))).toBe("400 'request_clusters' is a required property");
    const xor = "400 Must provide either 'event_i3live_json' or 'i3_event_id' (xor)";
    expect(refusal(await post({}, ['event_i3live_json']))).toBe(xor);
    expect(refusal(await post({i3_event_id: 'abc'}))).toBe(xor);
    expect(refusal(await post({event_i3live_json: {}}))).toBe(xor);
  });

  test('case 43: a tag without an image is refused', async () => {
    expect(refusal(await post({docker_tag: 'foo'}))).toBe('400 argument docker_tag: image not found');
    expect(refusal(await post({docker_tag: '5'}))).toBe('400 argument docker_tag: image not found');
  });

  test('an unknown cluster is refused with those that are known', async () => {
    expect(refusal(await post({cluster: {nope: 1, foobar: 2}}))).toBe('400 requested unknown cluster: nope (available: a-schedd, cloud, foobar)');
  });

  test('an event that is not there, or not JSON, is refused', async () => {
    expect(refusal(await post({i3_event_id: 'abc'}, ['event_i3live_json']))).toBe('400 i3 event not found');
    expect(refusal(await post({event_i3live_json: '{"a": }'}))).toBe(
      '400 event_i3live_json is not valid JSON: Expecting value: line 1 column 7 (char 6)',
    );
  });

  test('an event may come as text, and a stored one may be used again', async () => {
    const first = await post({event_i3live_json: ' {"a": 1} '});
    expect((await api.ask('GET', `/scan/${first.body.scan_id}/i3-event`)).body).toEqual({i3_event: {a: 1}});
    const again = await post({i3_event_id: first.body.i3_event_id, event_i3live_json: {}});
    expect(again.body.i3_event_id).toBe(first.body.i3_event_id);
    expect(again.body.scan_id).not.toBe(first.body.scan_id);
    expect((await api.ask('GET', `/scan/${again.body.scan_id}/i3-event`)).body).toEqual({i3_event: {a: 1}});
  });

  test('a refused request leaves nothing behind', async () => {
    const before = (await api.store.range('')).entries.length;
    await post({worker_memory: '4 florps'});
    await post({docker_tag: 'foo'});
    await post({classifiers: {rescan: true}});
    expect((await api.store.range('')).entries.length).toBe(before);
  });

  test('case 35 and 36: fields that are not asked for are refused, sorted by name', async () => {
    expect(refusal(await post({scan_id: 'x'}))).toBe("400 Additional properties are not allowed ('scan_id' was unexpected)");
    expect(refusal(await post({scan_id: 'x', rescan_ids: []}))).toBe(
      "400 Additional properties are not allowed ('rescan_ids', 'scan_id' were unexpected)",
    );
  });
});

describe('K. more cases', () => {
  test('case 61: a manifest can be projected', async () => {
    expect(Object.keys((await post({manifest_projection: ['scan_id', 'priority']})).body)).toEqual(['scan_id', 'priority']);
    expect((await post({manifest_projection: ['nope']})).body).toEqual({});
    for (const all of [[], ['*', 'scan_id'], '*']) expect(Object.keys((await post({manifest_projection: all})).body)).toHaveLength(17);
    for (const bad of ['scan_id|priority', ['scan_id', 'scan_id']]) {
      expect(refusal(await post({manifest_projection: bad}))).toBe("400 'manifest_projection': must match one of the accepted types");
    }
  });

  test('case 65: sizes', async () => {
    expect((await requestOf({worker_memory: '4GB'})).worker_memory_bytes).toBe(4_000_000_000);
    expect((await requestOf({worker_memory_bytes: 0, worker_disk: '2GiB'})).worker_memory_bytes).toBe(8_000_000_000);
    expect(refusal(await post({worker_memory: '4 florps'}))).toBe('400 invalid size: 4 florps');
    for (const bad of [-1, 1.5]) {
      expect(refusal(await post({worker_memory_bytes: bad}))).toBe("400 'worker_memory_bytes': must match one of the accepted types");
    }
    expect(refusal(await post({memory: '8GB'}))).toBe("400 argument 'memory' is deprecated -- use 'worker_memory_bytes'");
    for (const unset of [null, '', 0]) expect((await post({memory: unset})).status).toBe(200);
  });

  test('case 66: numbers', async () => {
    for (const bad of [0, 1.5, true, '60']) expect((await post({max_pixel_reco_time: bad})).status).toBe(400);
    expect((await post({max_pixel_reco_time: 2.0})).status).toBe(200);
    expect(refusal(await post({predictive_scanning_threshold: 1.1}))).toBe("400 'predictive_scanning_threshold': must be no more than 1");
    expect(refusal(await post({predictive_scanning_threshold: '0.5'}))).toBe(
      "400 'predictive_scanning_threshold': must be type 'number' (float or int)",
    );
    const answer = await post({predictive_scanning_threshold: 0.5});
    expect(answer.body.scanner_server_args).toMatch(/--predictive-scanning-threshold 0\.5$/);
  });

  test('case 66: a number that is none is refused', async () => {
    const body = JSON.stringify({...SCAN_BODY, nsides: {'8': '@'}}).replace('"@"', '1e400');
    expect(refusal(await api.ask('POST', '/scan', {body}))).toBe("400 'nsides.8': must be type 'number' (float or int)");
  });

  test('case 67: classifiers', async () => {
    const many = (n: number): Record<string, number> => Object.fromEntries(Array.from({length: n}, (_, i) => [`c${i}`, i]));
    expect(refusal(await post({classifiers: many(26)}))).toBe("400 'classifiers': must have no more than 25 entries");
    expect(refusal(await post({classifiers: {['k'.repeat(26)]: 1}}))).toBe("400 'classifiers': must be no more than 25 characters long");
    for (const bad of ['v'.repeat(26), ['list']]) {
      expect(refusal(await post({classifiers: {a: bad}}))).toBe("400 'classifiers.a': must match one of the accepted types");
    }
    for (const name of ['rescan', 'origin_scan_id']) {
      expect(refusal(await post({classifiers: {[name]: 1}}))).toBe(`400 classifier cannot contain '${name}' sub-field`);
    }
    const good = {...many(24), ['k'.repeat(25)]: null};
    expect((await post({classifiers: good})).body.classifiers).toEqual(good);
  });

  test('case 68: the kind of event', async () => {
    expect(refusal(await post({real_or_simulated_event: 'maybe'}))).toBe(
      "400 'real_or_simulated_event': must be one of: 'real', 'real_event', 'sim', 'simulated', 'simulated_event'",
    );
    expect((await post({real_or_simulated_event: 'sim'})).body.scanner_server_args).toContain(' --simulated-event ');
    expect((await post({real_or_simulated_event: 'real_event'})).body.scanner_server_args).toContain(' --real-event ');
  });

  test('case 70: forms of bodies', async () => {
    const send = async (body: string | undefined, type?: string): Promise<string> =>
      refusal(await api.ask('POST', '/scan', {body, headers: type === undefined ? {} : {'content-type': type}}));
    const invalid = '400 Request body validation error: ';
    expect(await send(undefined)).toBe('400 Missing required request body');
    expect(await send('not json', 'application/json')).toBe(`${invalid}Failed to deserialize value with application/json mimetype: not json`);
    for (const body of ['[]', 'null']) expect(await send(body, 'application/json')).toBe("400 must be type 'object' (dict)");
    const notFound = 'Content for the following mimetype not found';
    expect(await send('{}', 'text/plain')).toBe(`${invalid}${notFound}: text/plain. Valid mimetypes: ['application/json']`);
    expect(await send('a=b', 'application/x-www-form-urlencoded')).toBe('400 Bad Request');
    const untyped = await new Promise<string>((resolve, reject) => {
      fetch(`${api.url}/scan`, {method: 'POST', body: new Uint8Array([0x7b, 0x7d])}).then((r) => resolve(r.statusText), reject);
    });
    expect(untyped).toBe(`${invalid.slice(4)}${notFound}: */*. Valid mimetypes: ['application/json']`);
  });

  test.each(['event_i3live_json', 'nsides', 'classifiers'])('what is nested without end is refused, and named: %s', async (field) => {
    const deep = `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`;
    const body = JSON.stringify({...SCAN_BODY, [field]: '@'}).replace('"@"', deep);
    expect(refusal(await api.ask('POST', '/scan', {body}))).toBe(`400 '${field}': nested too deeply`);
  });

  test('case 71: known paths refuse other methods, unknown paths are not found', async () => {
    for (const [method, path] of [
      ['GET', '/scan'],
      ['POST', '/'],
      ['PUT', '/scan'],
      ['OPTIONS', '/scan'],
    ] as const) {
      expect(refusal(await api.ask(method, path)), `${method} ${path}`).toBe('405 Method Not Allowed');
    }
    expect(await api.ask('HEAD', '/scan')).toMatchObject({status: 405, reason: 'Method Not Allowed'});
    for (const path of ['/scan/', '/scan/abc-def', '/scan/manifest', '/scan/result', '/nope']) {
      expect([path, refusal(await api.ask('GET', path))]).toEqual([path, '404 Not Found']);
    }
  });

  test('case 72: a reason that cannot stand in a status line is Unknown', async () => {
    for (const name of ['two\nlines', '<x>', 'smörgås']) expect(refusal(await post({cluster: {[name]: 1}}))).toBe('400 Unknown');
  });

  test('everything is served under /v2 as well', async () => {
    const {body} = await api.ask('POST', '/v2/scan', {body: SCAN_BODY});
    expect((await api.ask('GET', `/v2/scan/${body.scan_id}/manifest`)).body).toEqual(body);
    expect((await api.ask('GET', `/scan/${body.scan_id}/manifest`)).body).toEqual(body);
    expect((await api.ask('GET', '/v2')).body).toEqual({});
    expect((await api.ask('GET', '/v2/nope')).status).toBe(404);
  });
});

test('case 50: the backlog lists what waits, oldest first, deleted scans too', async () => {
  const first = (await post({priority: 3})).body;
  const second = (await post({priority: 100})).body;
  await api.ask('DELETE', `/scan/${first.scan_id}`);
  const {entries} = (await api.ask('GET', '/scans/backlog')).body as {entries: {scan_id: string; timestamp: number}[]};
  const own = entries.filter((entry) => entry.scan_id === first.scan_id || entry.scan_id === second.scan_id);
  expect(own).toEqual([
    {scan_id: first.scan_id, timestamp: expect.any(Number), priority: 3, pending_timestamp: 0, next_attempt: 0},
    {scan_id: second.scan_id, timestamp: expect.any(Number), priority: 100, pending_timestamp: 0, next_attempt: 0},
  ]);
  expect(entries.map((entry) => entry.timestamp)).toEqual(entries.map((entry) => entry.timestamp).sort((a, b) => a - b));
});
