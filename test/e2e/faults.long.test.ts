import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {jobProcesses, parentOf} from '../support/job-processes.ts';
import {TestSystem} from '../support/system.ts';

const EVENT: unknown = JSON.parse(await readFile(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));

let etcd: TestEtcd;
let system: TestSystem;

beforeEach(async () => {
  etcd = await startEtcd();
  system = await TestSystem.start({etcd});
});

afterEach(async () => {
  await system?.stop();
  await etcd?.stop();
});

async function postScan(nsides: Record<string, number>, workers = 2): Promise<string> {
  const answer = await checkedFetch(`${system.address}/v2/scan`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: EVENT, nsides, real_or_simulated_event: 'real'},
      ...{max_pixel_reco_time: 60, request_clusters: {local: workers}},
    }),
  });
  return ((await answer.json()) as {scan_id: string}).scan_id;
}

const record = (id: string): ScanRecord | undefined => system.database.cache.scans.get(id);
const triesOf = (id: string, job: string): number => record(id)?.jobs?.get(job)?.value.tries_total ?? 0;

/** The processes of a try, once all of them run. */
function running(id: string, job: string, tryNumber: number, count: number): Promise<number[]> {
  return eventually(
    () => {
      const pids = jobProcesses(id, job, tryNumber);
      if (pids.length !== count) throw new Error(`${pids.length} of ${count} processes of ${job} run`);
      return pids;
    },
    {timeoutMs: 10_000},
  );
}

/** Until the scanner has reported some pixels. */
async function untilInWork(id: string): Promise<void> {
  await eventually(() => expect(record(id)?.progress?.value.progress).not.toBeNull(), {timeoutMs: 15_000});
  await eventually(() => expect(record(id)?.result).toBeDefined(), {timeoutMs: 15_000});
}

async function untilComplete(id: string): Promise<void> {
  await eventually(() => ['COMPLETE', 'FAIL', 'STOPPED'].includes(record(id)?.state?.value.name ?? ''), {timeoutMs: 28_000});
  expect(record(id)?.state?.value).toMatchObject({name: 'COMPLETE'});
}

test('a scanner server that is killed is tried again, and the scan completes', async () => {
  await system.startReplica();
  const id = await postScan({'32': 0});
  await untilInWork(id);
  for (const pid of await running(id, 'server', 1, 1)) process.kill(pid, 'SIGKILL');
  await untilComplete(id);
  expect(triesOf(id, 'server')).toBe(2);
  expect(triesOf(id, 'workers-1')).toBe(1);
});

test('a worker that is killed loses no pixel', async () => {
  await system.startReplica();
  const id = await postScan({'32': 0});
  await untilInWork(id);
  const [worker] = await running(id, 'workers-1', 1, 2);
  process.kill(worker as number, 'SIGKILL');
  await untilComplete(id);
  const result = (await (await checkedFetch(`${system.address}/scan/${id}/result`)).json()) as {skyscan_result: Record<string, {data: unknown[]}>};
  expect(result.skyscan_result['nside-32']?.data).toHaveLength(12 * 32 * 32);
  expect(triesOf(id, 'server')).toBe(1);
});

test('what a killed supervisor leaves running is ended before the job is tried again', async () => {
  await system.startReplica();
  const id = await postScan({'32': 0});
  await untilInWork(id);
  const [server] = await running(id, 'server', 1, 1);
  process.kill(parentOf(server as number), 'SIGKILL');
  await running(id, 'server', 2, 1);
  expect(jobProcesses(id, 'server', 1)).toEqual([]);
  await untilComplete(id);
});

test('etcd killed and started again loses no scan and launches nothing twice', async () => {
  await system.startReplica();
  const id = await postScan({'32': 0});
  await untilInWork(id);
  await etcd.kill();
  const refused = await checkedFetch(`${system.address}/v2/scan`, {method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'});
  expect([400, 503]).toContain(refused.status); // A bad body is a bad body, with or without etcd.
  const stale = await checkedFetch(`${system.address}/scan/${id}/manifest`);
  expect(stale.status).toBe(200);
  expect(Number(stale.headers.get('x-scanplane-cache-age-seconds'))).toBeGreaterThan(0);
  await etcd.restart();
  await untilComplete(id);
  expect([triesOf(id, 'server'), triesOf(id, 'workers-1')]).toEqual([1, 1]);
});

test('a replica that stops hands its scans over at once, and their jobs run on', async () => {
  const first = await system.startReplica();
  const id = await postScan({'32': 0});
  await untilInWork(id);
  expect(record(id)?.owner?.value.replica).toBe(first.id);
  const second = await system.startReplica();
  await eventually(() => expect(system.database.cache.replicas.has(second.id)).toBe(true));
  await first.stop();
  await eventually(() => expect(record(id)?.owner?.value.replica).toBe(second.id), {timeoutMs: 1500});
  await untilComplete(id);
  expect([triesOf(id, 'server'), triesOf(id, 'workers-1')]).toEqual([1, 1]);
});

test('a replica with another run directory starts a new try only when the old one must have ended', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'scanplane-run-'));
  try {
    const settings = {SCANPLANE_ORPHAN_AFTER_SECONDS: '3'};
    const first = await system.startReplica(system.runDirectory, settings);
    const id = await postScan({'64': 0});
    await untilInWork(id);
    await first.stop();
    const old = await running(id, 'server', 1, 1);
    const second = await system.startReplica(elsewhere, settings);
    await eventually(() => expect(record(id)?.owner?.value.replica).toBe(second.id));
    await running(id, 'server', 2, 1);
    expect(jobProcesses(id, 'server', 1)).toEqual([]);
    expect(old).toHaveLength(1);
    expect(record(id)?.jobs?.get('server')?.value).toMatchObject({failures: 0, tries_total: 2});
    await checkedFetch(`${system.address}/scan/${id}`, {method: 'DELETE'});
    await eventually(() => expect(record(id)?.state?.value.name).toBe('STOPPED'), {timeoutMs: 10_000});
    expect([...jobProcesses(id, 'server', 2), ...jobProcesses(id, 'workers-1', 2)]).toEqual([]);
  } finally {
    await system.stop();
    await endLeftovers(elsewhere);
    await rm(elsewhere, {recursive: true, force: true, maxRetries: 5});
  }
});
