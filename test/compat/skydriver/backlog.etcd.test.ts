import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import type {Admission} from '../../../src/schema/admission.ts';
import type {Job} from '../../../src/schema/job.ts';
import type {ScanState} from '../../../src/schema/state.ts';
import * as keys from '../../../src/schema/keys.ts';
import {checkedFetch} from '../../support/checked-fetch.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {TestSystem} from '../../support/system.ts';
import type {TestSystemOptions} from '../../support/system.ts';

/** Jobs that do nothing for ever, whatever arguments they get. */
const idle = [process.execPath, '-e', 'setInterval(() => {}, 60_000)', '--'];
const IDLE: NonNullable<TestSystemOptions['settingsOfCluster']> = {scanner_server: idle, worker: idle};
const STARTED = {timeoutMs: 15_000};

let etcd: TestEtcd;
let system: TestSystem;

beforeEach(async () => {
  etcd = await startEtcd();
});

afterEach(async () => {
  await system?.stop();
  await etcd?.stop();
});

async function begin(options: Partial<TestSystemOptions> = {}): Promise<void> {
  system = await TestSystem.start({etcd, settingsOfCluster: IDLE, ...options});
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const text = body === undefined ? {} : {body: JSON.stringify(body), headers: {'content-type': 'application/json'}};
  const answer = await checkedFetch(system.address + path, {method, ...text});
  expect(answer.status, `${method} ${path}: ${answer.statusText}`).toBe(200);
  return (await answer.json()) as T;
}

async function post(priority = 0): Promise<string> {
  const {scan_id} = await ask<{scan_id: string}>('POST', '/scan', {
    ...{docker_tag: 'latest', reco_algo: 'any', nsides: {'1': 0}, real_or_simulated_event: 'real', max_pixel_reco_time: 60},
    ...{event_i3live_json: {a: 22}, request_clusters: {local: 1}, priority},
  });
  return scan_id;
}

const waiting = async (): Promise<string[]> =>
  (await ask<{entries: {scan_id: string}[]}>('GET', '/scans/backlog')).entries.map((each) => each.scan_id);

/** How often a scanner server was launched, by scan. */
async function launches(): Promise<Record<string, number>> {
  const {entries} = await system.database.store.range('/scan/');
  const found: Record<string, number> = {};
  for (const {key, value} of entries) {
    const ref = keys.parseKey(key);
    if (ref?.kind === 'job' && ref.job === 'server') found[ref.id] = (JSON.parse(value.toString()) as Job).tries_total;
  }
  return found;
}

async function stateOf(id: string): Promise<ScanState | undefined> {
  const entry = await system.database.store.get(keys.stateKey(id));
  return entry === undefined ? undefined : (JSON.parse(entry.value.toString()) as ScanState);
}

/** When scans were let run, in milliseconds since 1970, in that order. */
async function startsOf(ids: readonly string[]): Promise<number[]> {
  const entries = await Promise.all(ids.map((id) => system.database.store.get(keys.admissionKey(id))));
  return entries.map((entry) => Date.parse((JSON.parse(String(entry?.value)) as Admission).admitted_at)).toSorted((a, b) => a - b);
}

const isRunning = async (id: string): Promise<void> => expect((await stateOf(id))?.name).toBe('RUNNING');

describe('the backlog', () => {
  test('case 47: one request is launched once', async () => {
    await begin();
    await system.startReplica();
    const id = await post();
    await eventually(() => isRunning(id), STARTED);
    const later = await post(); // What would have launched it again has had its turn when a later one runs.
    await eventually(() => isRunning(later), STARTED);
    expect(await launches()).toEqual({[id]: 1, [later]: 1});
  });

  test('case 48: five requests are launched one after the other, each once, no faster than the pace allows', async () => {
    await begin({settings: {SCANPLANE_START_SECONDS: '0.4'}});
    await system.startReplica();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await post());
    await eventually(async () => void (await Promise.all(ids.map(isRunning))), STARTED);
    const starts = await startsOf(ids);
    for (let n = 1; n < 5; n++) expect((starts[n] as number) - (starts[n - 1] as number)).toBeGreaterThanOrEqual(399); // Written in whole milliseconds.
    expect(await launches()).toEqual(Object.fromEntries(ids.map((id) => [id, 1])));
    expect(await waiting()).toEqual([]);
  });

  test('case 49: what is deleted before its turn is never launched, and waits no more', async () => {
    await begin();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push(await post());
    const [first, second, third, fourth, fifth] = ids as [string, string, string, string, string];
    for (const id of [second, fourth]) await ask('DELETE', `/scan/${id}`, {});
    expect(await waiting()).toEqual(ids);
    await system.startReplica();
    await eventually(async () => void (await Promise.all([first, third, fifth].map(isRunning))), STARTED);
    await eventually(async () => expect(await waiting()).toEqual([]), STARTED);
    expect(await launches()).toEqual({[first]: 1, [third]: 1, [fifth]: 1});
  });

  test('case 51: a scan of priority 100 overtakes older ones', async () => {
    await begin({capacity: 1});
    const old = await post();
    const urgent = await post(100);
    await system.startReplica();
    await eventually(() => isRunning(urgent), STARTED);
    expect(await stateOf(old)).toBeUndefined();
    expect(await waiting()).toEqual([old]);
    await ask('DELETE', `/scan/${urgent}`, {});
    await eventually(() => isRunning(old), STARTED);
  });

  test('case 51: scans of priority 100 do not wait for the turn of the others', async () => {
    await begin({settings: {SCANPLANE_START_SECONDS: '3600'}});
    await system.startReplica();
    const first = await post();
    await eventually(() => isRunning(first), STARTED);
    const second = await post();
    const urgent = [await post(100), await post(101)];
    await eventually(async () => void (await Promise.all(urgent.map(isRunning))), STARTED);
    expect(await waiting()).toEqual([second]);
  });

  test('case 51: the pace goes on when another replica schedules', async () => {
    await begin({settings: {SCANPLANE_START_SECONDS: '3600'}});
    const before = await system.startReplica();
    const first = await post();
    await eventually(() => isRunning(first), STARTED);
    await before.stop();
    await system.startReplica();
    const second = await post();
    const urgent = await post(100);
    await eventually(() => isRunning(urgent), STARTED);
    expect(await waiting()).toEqual([second]);
  });

  test('case 51, mended: a scan that cannot be launched ends with its reason instead of vanishing', async () => {
    await begin({settingsOfCluster: {...IDLE, scanner_server: ['/no/such/program']}});
    await system.startReplica();
    const id = await post();
    await eventually(async () => expect((await stateOf(id))?.name).toBe('FAIL'), STARTED);
    expect((await stateOf(id))?.reason).toMatch(/scanner server failed 3 times/);
    // A try that never began, as when its owner lost its lease at that moment, is no failure.
    expect((await launches())[id]).toBeGreaterThanOrEqual(3);
    expect(await waiting()).toEqual([]);
    const status = await ask<{scan_state: string; ewms_deactivated: string}>('GET', `/scan/${id}/status`);
    expect(status).toMatchObject({scan_state: expect.stringMatching(/^STOPPED__/) as string, ewms_deactivated: 'ABORTED'});
  });
});
