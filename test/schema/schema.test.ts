import {expect, test} from 'vitest';
import {backlogOrder} from '../../src/schema/backlog.ts';
import {parseControl} from '../../src/schema/control.ts';
import {SCAN_ID, newEventId, newScanId, timeOfScanId} from '../../src/schema/ids.ts';
import * as keys from '../../src/schema/keys.ts';
import {parseScanSpec} from '../../src/schema/scan.ts';
import {SCAN_STATES, isTerminal, mayBecome} from '../../src/schema/state.ts';

test('every key that is built is read back as what it is', () => {
  expect(keys.parseKey(keys.scanKey('a'))).toEqual({kind: 'scan', id: 'a'});
  expect(keys.parseKey(keys.ownerKey('a'))).toEqual({kind: 'owner', id: 'a'});
  expect(keys.parseKey(keys.jobKey('a', 'workers-1'))).toEqual({kind: 'job', id: 'a', job: 'workers-1'});
  expect(keys.parseKey(keys.reportKey('a', 'server', 3))).toEqual({kind: 'report', id: 'a', job: 'server', try: 3});
  expect(keys.parseKey(keys.backlogKey('00-1', 'a'))).toEqual({kind: 'backlog', order: '00-1', of: 'scan', id: 'a'});
  expect(keys.parseKey(keys.META_KEY)).toEqual({kind: 'meta'});
});

test.each([
  '/scan',
  '/scan/',
  '/scan/a/',
  '/scan/a/nope',
  '/scan/a/job',
  '/scan/a/report/x/y',
  '~blob/x',
  '/other/a',
  '',
  '/scan/a b',
  '/scan/by-hand',
])('%j is none of our keys', (key) => {
  expect(keys.parseKey(key)).toBeUndefined();
});

test('scan ids have SkyDriver’s format and sort by time', () => {
  const ids = [1_000, 1_700_000_000_000, 1_700_000_000_001].map((ms) => newScanId(ms));
  for (const id of ids) expect(id).toMatch(SCAN_ID);
  expect([...ids].sort()).toEqual(ids);
  expect(timeOfScanId(ids[1] as string)).toBe(1_700_000_000_000);
  expect(timeOfScanId('myscan')).toBeUndefined();
});

test('event ids are uuid4 in hex', () => {
  expect(newEventId()).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
});

test('the backlog’s order is priority, then time', () => {
  const order = [backlogOrder(100, 5), backlogOrder(1, 1), backlogOrder(0, 1), backlogOrder(0, 2), backlogOrder(-1, 0), backlogOrder(-(2 ** 40), 0)];
  expect([...order].sort()).toEqual(order);
});

test('a control written by hand needs no more than the wish', () => {
  expect(parseControl('{"desired":"stop"}\n', '/scan/a/control')).toEqual({desired: 'stop', generation: 0, is_deleted: false, extra_workers: []});
  expect(() => parseControl('{"desired":"halt"}', '/scan/a/control')).toThrow('desired');
  expect(() => parseControl('stop', '/scan/a/control')).toThrow('not JSON');
});

test('a scan written by hand gets the defaults of the REST API', () => {
  const spec = parseScanSpec('{"request":{"reco_algo":"x","nsides":[["8",0]],"request_clusters":[["local",1]],"i3_event_id":"e"}}', '/scan/a');
  expect(spec).toMatchObject({type: 'skymap-scan', request: {docker_tag: 'latest', worker_memory_bytes: 8_000_000_000, priority: 0}});
  expect(() => parseScanSpec('{"request":{"reco_algo":"x"}}', '/scan/a')).toThrow('nsides');
});

test('terminal states are never left, and a scan gets from PENDING to everywhere', () => {
  for (const from of SCAN_STATES) if (isTerminal(from)) for (const to of SCAN_STATES) expect(mayBecome(from, to)).toBe(from === to);
  expect(SCAN_STATES.filter(isTerminal)).toEqual(['COMPLETE', 'FAIL', 'STOPPED']);
  expect(mayBecome('SUSPENDED', 'RUNNING')).toBe(true);
  expect(mayBecome('PENDING', 'COMPLETE')).toBe(false);
});
