import {expect, test} from 'vitest';
import {Launcher} from '../../src/controllers/launcher.ts';
import {ChainSource, noRequestTypes} from '../../src/controllers/chain-source.ts';
import {ScanController} from '../../src/controllers/scan-controller.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {JobRef} from '../../src/engines/engine.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import type {Blobs} from '../../src/store/blobs.ts';
import type {Cache} from '../../src/store/cache.ts';
import type {FencedWriter} from '../../src/store/contracts.ts';
import {aJob, aScan, aTry, entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';
import {JobTable} from '../../src/model/job-table.ts';

const POLICY = {teardownMs: 60_000, retry: 2, retryBaseMs: 1000, orphanAfterMs: 10_000, stopGraceMs: 2000};

/** A scan with its controller, over one engine; `commit` is what becomes of its writes. */
function leading(record: ScanRecord, engine: FakeEngine): ScanController {
  const scans = new Map<string, ScanRecord>([[record.id, record]]);
  const clusters = new Map([['local', entry({engine: 'process', capacity: 8, settings: {scanner_server: ['true'], worker: ['true']}})]]);
  const cache = {scans, meta: undefined, clusters, bad: new Map(), waitFor: () => Promise.resolve()} as unknown as Cache;
  const launcher = new Launcher(cache, new Map([['process', engine]]), {
    ...{
      scannerAddress: '',
      reportAddress: '',
      jobs: {host: []},
      scripts: {apiAddress: '', etcdEndpoints: [], etcdPrefix: ''},
      outputLimitBytes: 1024,
      stopGraceMs: 0,
      orphanAfterMs: 0,
    },
  });
  const chains = new ChainSource({} as Blobs, noRequestTypes);
  return new ScanController({...{cache, launcher, clock: systemClock, log: silentLog, policy: POLICY, rank: () => 0, replica: 'r1', chains}});
}

test('a scan that is lost while its write is under way is not looked after any more when the answer comes', async () => {
  const engine = new FakeEngine();
  engine.jobs.set('s1/server/1', {kind: 'running', handle: 'h', startedAt: '2026-01-01T00:00:00.000Z'});
  const state = entry({name: 'RUNNING', attempt: 1} as const);
  const jobs = JobTable.of([
    ['server', entry(aJob({tries: [aTry({place: engine.place})]}))],
    ['workers-1', entry(aJob({type: 'workers', count: 2, tries: [aTry({place: 'elsewhere', handle: 'h'})]}))],
  ]);
  const controller = leading(aScan({state, jobs}), engine);
  let isOwner = true;
  const writer: FencedWriter = {
    ownerKey: '/scan/s1/owner',
    createRevision: 5,
    isOwner: () => isOwner,
    commit: () => {
      // Written; and before we hear of it, the watch shows that somebody has deleted our key.
      isOwner = false;
      controller.released('s1');
      return Promise.resolve(20);
    },
    resign: () => Promise.resolve(),
  };
  await controller.reconcile('s1', writer);
  expect(isOwner).toBe(false);
  const running: JobRef[] = [];
  controller.forEachRunningTry((ref) => void running.push(ref));
  expect(running, 'jobs of a scan that another leads').toEqual([]);
});

test('a try that ended long ago when it is learnt of, so that the next one begins at once, keeps its exit and counts', async () => {
  const engine = new FakeEngine();
  engine.jobs.set('s1/server/1', {kind: 'exited', handle: 'h', exit: {code: 1, ended_at: '2026-01-01T00:00:00.000Z'}});
  const jobs = JobTable.of([['server', entry(aJob({retry: 2, tries: [aTry({place: engine.place, handle: 'h'})]}))]]);
  const admission = entry({attempt: 1, slots: {local: 2}, admitted_at: ''});
  const controller = leading(aScan({state: entry({name: 'RUNNING', attempt: 1} as const), jobs, admission}), engine);
  const written = new Map<string, string>();
  const writer: FencedWriter = {
    ...{ownerKey: '/scan/s1/owner', createRevision: 5, isOwner: () => true, resign: () => Promise.resolve()},
    commit: (_, ops) => {
      for (const op of ops) if ('put' in op) written.set(op.put, String(op.value));
      return Promise.resolve(20);
    },
  };
  await controller.reconcile('s1', writer);
  expect(engine.running('s1')).toContain('s1/server/2');
  const server: unknown = JSON.parse(written.get('/scan/s1/job/server') ?? '');
  expect(server).toMatchObject({tries_total: 2, failures: 1, tries: [{try: 1, exit: {code: 1}}, {try: 2}]});
});
