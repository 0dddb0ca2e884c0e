import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {TextSetName} from '../../../src/config.ts';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

const SETS: readonly TextSetName[] = ['v2-main', 'v2-next', 'v2.4'];

let etcd: TestEtcd;
const apis = new Map<TextSetName, TestApi>();
const api = (name: TextSetName): TestApi => apis.get(name) as TestApi;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  for (const texts of SETS) apis.set(texts, await startApi(etcd.endpoint, {texts}));
});
afterAll(async () => {
  for (const each of apis.values()) await each.stop();
  await etcd.stop();
});

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}
/** What each text set says to the same request. */
async function said(method: string, path: string, body?: unknown): Promise<string[]> {
  const answers: string[] = [];
  for (const name of SETS) answers.push(refusal(await api(name).ask(method, path, body === undefined ? {} : {body})));
  return answers;
}

describe('a scan that is not there', () => {
  test('case 23: is not found; the next version says where', async () => {
    const id = await api('v2-main').newScan();
    await api('v2-main').ask('DELETE', `/scan/${id}`);
    const texts = ['404 Not Found', "404 Object not found in 'Manifests' collection", '404 Not Found'];
    for (const path of ['', '/manifest', '/result']) {
      expect(await said('GET', `/scan/${id}${path}`)).toEqual(texts);
      expect(await said('GET', `/scan/0123${path}`)).toEqual(texts);
    }
    expect(await said('DELETE', '/scan/0123')).toEqual(texts);
    expect((await said('GET', '/scan-request/0123'))[1]).toBe("404 Object not found in 'ScanRequests' collection");
  });

  test('an address that nobody knows is just not found, in every version', async () => {
    expect(new Set(await said('GET', '/nope'))).toEqual(new Set(['404 Not Found']));
  });

  test('older versions keep their own words whatever version 2 speaks', async () => {
    expect(new Set(await said('GET', '/v1/scan/0123'))).toEqual(new Set(['404 Not Found']));
    expect(new Set(await said('GET', '/scan/manifest/0123'))).toEqual(new Set(['404 Not Found']));
    expect(new Set(await said('POST', '/v1/scans/find', {}))).toEqual(new Set(['400 the following arguments are required: filter']));
  });
});

describe('a request that is wrong', () => {
  const missing = '400 the following arguments are required: ';

  test('case 39: an empty one is told what is missing', async () => {
    const [main, next, release] = await said('POST', '/scan', {});
    expect(main).toMatch(/^400 'docker_tag' is a required property; /);
    expect(next).toBe(main);
    expect(release).toBe(`${missing}docker_tag, reco_algo, nsides, real_or_simulated_event, max_pixel_reco_time`);
  });

  test('case 42: one that leaves out a field is told which', async () => {
    for (const field of ['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time']) {
      const body: Record<string, unknown> = {...SCAN_BODY};
      delete body[field];
      const main = `400 '${field}' is a required property`;
      expect(await said('POST', '/scan', body)).toEqual([main, main, `${missing}${field}`]);
    }
    const {cluster: _, ...body} = SCAN_BODY;
    expect((await said('POST', '/scan', body))[2]).toBe(`${missing}request_clusters`);
  });

  test('case 35: one with a field that nobody knows is told which', async () => {
    expect(await said('POST', '/scan', {...SCAN_BODY, scan_id: 'x', foo: 1})).toEqual([
      "400 Additional properties are not allowed ('foo', 'scan_id' were unexpected)",
      "400 Additional properties are not allowed ('foo', 'scan_id' were unexpected)",
      '400 unrecognized arguments: scan_id, foo',
    ]);
  });

  test('case 40: one with a bad value is told which', async () => {
    const [main, , release] = await said('POST', '/scan', {...SCAN_BODY, max_pixel_reco_time: 'soon'});
    expect(main).toBe("400 'max_pixel_reco_time': must be type 'integer' (int)");
    expect(release).toBe('400 argument max_pixel_reco_time: invalid type');
    expect((await said('POST', '/scan', {...SCAN_BODY, docker_tag: ' '}))[2]).toMatch(/^400 argument docker_tag: /);
  });

  test('case 45: progress without its form is told as 2.4 told it', async () => {
    const id = await api('v2-main').newScan();
    const progress = {summary: 's', epilogue: 'e', tallies: {}};
    for (const [given, field] of [
      ['Done', 'summary'],
      [['a'], 'summary'],
      [progress, 'processing_stats'],
    ] as const) {
      const [main, , release] = await said('PATCH', `/scan/${id}/manifest`, {progress: given});
      expect(main).toBe("400 'progress': must match one of the accepted types");
      expect(release).toBe(`400 argument progress: missing value for field "${field}"`);
    }
  });

  test('a body that is not JSON, or no object', async () => {
    expect((await said('POST', '/scan', 'nonsense'))[2]).toBe('400 requests body is not JSON-encoded');
    expect((await said('POST', '/scan', '[]'))[2]).toBe("400 JSON-encoded requests body must be a 'dict'");
  });

  test('clusters under two names at once are refused by 2.4 alone', async () => {
    const body = {...SCAN_BODY, request_clusters: {cloud: 2}};
    expect(refusal(await api('v2.4').ask('POST', '/scan', {body}))).toBe("400 Provide only one value for 'request_clusters'");
    expect((await api('v2-main').ask('POST', '/scan', {body})).status).toBe(200);
    expect((await api('v2-next').ask('POST', '/scan', {body})).status).toBe(200);
  });

  test('arguments of a query that nobody knows are refused by 2.4 alone, on routes that have arguments', async () => {
    const id = await api('v2-main').newScan();
    const ask = (name: TextSetName, path: string): Promise<Answer> => api(name).ask('GET', `/scan/${id}${path}`);
    for (const path of ['?foo=1&include_deleted=1', '/manifest?foo=1&projection=*', '/result?no_redirect=true&foo=1']) {
      expect(refusal(await ask('v2.4', path))).toBe('400 unrecognized arguments: foo');
      expect((await ask('v2-main', path)).status).toBe(200);
    }
    expect((await ask('v2.4', '/manifest?projection=*&include_deleted=1&no_redirect=true')).status).toBe(200);
    expect((await ask('v2.4', '/status?foo=1')).status).toBe(200);
    expect(refusal(await ask('v2.4', '?include_deleted=maybe'))).toBe('400 argument include_deleted: invalid type');
    expect(refusal(await ask('v2-main', '?include_deleted=maybe'))).toBe('400 Query parameter error: include_deleted');
  });

  test('what is told after the check of the form is the same in every set of version 2', async () => {
    const answers = await said('POST', '/scan', {...SCAN_BODY, cluster: {nope: 1}});
    expect(new Set(answers)).toEqual(new Set(['400 requested unknown cluster: nope (available: a-schedd, cloud, foobar)']));
  });
});
