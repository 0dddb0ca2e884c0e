import {expect, test} from 'vitest';
import {Launcher} from '../../src/controllers/launcher.ts';
import {ChainSource, noRequestTypes} from '../../src/controllers/chain-source.ts';
import {ScanController} from '../../src/controllers/scan-controller.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import type {Blobs} from '../../src/store/blobs.ts';
import type {Cache} from '../../src/store/cache.ts';
import type {FencedWriter} from '../../src/store/contracts.ts';
import {aJob, aScan, aTry, entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';
import {JobTable} from '../../src/model/job-table.ts';

const POLICY = {teardownMs: 60_000, retry: 2, retryBaseMs: 1000, orphanAfterMs: 10_000, stopGraceMs: 2000};

test('a scan that is lost while its write is under way is not looked after any more when the answer comes', async () => {
  const engine = new FakeEngine();
  engine.jobs.set('s1/server/1', {kind: 'running', handle: 'h', startedAt: '2026-01-01T00:00:00.000Z'});
  const state = entry({name: 'RUNNING', attempt: 1} as const);
  const jobs = JobTable.of([
    ['server', entry(aJob({tries: [aTry({place: engine.place})]}))],
    ['workers-1', entry(aJob({type: 'workers', count: 2, tries: [aTry({place: 'elsewhere', handle: 'h'})]}))],
  ]);
  const scans = new Map<string, ScanRecord>([['s1', aScan({state, jobs})]]);
  const cache = {scans, meta: undefined, clusters: new Map(), bad: new Map(), waitFor: () => Promise.resolve()} as unknown as Cache;
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
  const controller = new ScanController({
    ...{cache, launcher, clock: systemClock, log: silentLog, policy: POLICY, rank: () => 0, replica: 'r1', chains},
  });
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
  expect([...controller.runningTries()], 'jobs of a scan that another leads').toEqual([]);
});
