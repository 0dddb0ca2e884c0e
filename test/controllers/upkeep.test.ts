import {expect, test} from 'vitest';
import type {JobController} from '../../src/controllers/controller.ts';
import {runEnding} from '../../src/controllers/upkeep.ts';
import {WorkQueue} from '../../src/controllers/work-queue.ts';
import type {Engine, JobSpec} from '../../src/engines/engine.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {deploymentOfJobs} from '../../src/schema/deployment.ts';
import type {LeaseKeeper} from '../../src/store/contracts.ts';
import {eventually} from '../support/eventually.ts';
import {FakeEngine} from '../support/fake-engine.ts';

test('what runs although nothing that is stored speaks of it is ended; what is somebody else’s is not', async () => {
  const engine = new FakeEngine();
  for (const scanId of ['deploy.known', 'deploy.gone', 'deploy.new', 's1']) await engine.ensure({ref: {scanId, job: '1', try: 1}} as JobSpec);
  const controller = {
    objectOf: deploymentOfJobs,
    exists: (id: string) => id === 'known',
    isAbandoned: ({scanId}: {readonly scanId: string}) => scanId !== 'deploy.new',
  } as unknown as JobController;
  const stop = new AbortController();
  const deps = {
    ...{engines: new Map<string, Engine>([['process', engine]]), lease: {} as LeaseKeeper, clock: systemClock, log: silentLog},
    ...{orphanAfterMs: 10, keepJobsMs: 0, leftAlone: new Map(), meta: () => undefined},
  };
  const done = runEnding([{controller, queue: new WorkQueue()}], deps, stop.signal);
  await eventually(() => expect(engine.running('deploy.gone')).toEqual([]));
  expect(['deploy.known', 'deploy.new', 's1'].flatMap((id) => engine.running(id))).toEqual(['deploy.known/1/1', 'deploy.new/1/1', 's1/1/1']);
  stop.abort();
  await done;
});

test('what runs since before a restore from a backup, and is not stored, is told once and left alone', async () => {
  const engine = new FakeEngine();
  await engine.ensure({ref: {scanId: 'deploy.gone', job: '1', try: 1}} as JobSpec);
  const fenced = Object.assign(engine, {
    tries: (scanId: string) => Promise.resolve([{scanId, job: '1', try: 1, fence: {epoch: 1, revision: 900}}]),
  });
  const controller = {objectOf: deploymentOfJobs, exists: () => false, isAbandoned: () => true} as unknown as JobController;
  const stop = new AbortController();
  const told: unknown[] = [];
  const leftAlone = new Map<string, number>();
  let looks = 0;
  const deps = {
    ...{engines: new Map<string, Engine>([['process', fenced]]), lease: {} as LeaseKeeper, clock: systemClock},
    ...{orphanAfterMs: 10, keepJobsMs: 0, leftAlone, meta: () => ({cluster_id: 'c1', epoch: (looks++, 2), schema_version: 1})},
    log: {...silentLog, warn: (fields: unknown) => void told.push(fields)} as typeof silentLog,
  };
  const done = runEnding([{controller, queue: new WorkQueue()}], deps, stop.signal);
  await eventually(() => expect(looks).toBeGreaterThan(3));
  stop.abort();
  await done;
  expect(engine.running('deploy.gone')).toHaveLength(1);
  expect(leftAlone.get(engine.place)).toBe(1);
  expect(told).toMatchObject([{jobs: 'deploy.gone', try: 1}]);
});
