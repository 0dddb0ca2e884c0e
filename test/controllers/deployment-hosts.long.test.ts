import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {deploymentJobs} from '../../src/schema/deployment.ts';
import {Deployed, GOES_ON, isAlive} from '../support/deployed.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

let etcd: TestEtcd;
let system: TestSystem;
let deployed: Deployed;
let elsewhere: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, settings: {SCANPLANE_ORPHAN_AFTER_SECONDS: '4'}});
  deployed = new Deployed(system.database);
  elsewhere = await mkdtemp(join(tmpdir(), 'scanplane-elsewhere-'));
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  if (elsewhere === undefined) return;
  await endLeftovers(elsewhere);
  await rm(elsewhere, {recursive: true, force: true});
});

test('what runs on a host is adopted by a replica there; when there is none it ends by itself before another host starts it', async () => {
  const first = await system.startReplica();
  await deployed.deploy('d', GOES_ON);
  const pid = await deployed.untilRunning('d');
  const other = await system.startReplica(elsewhere);
  const here = await system.startReplica();
  // Who has not announced itself yet lets all others go first.
  await eventually(() => [other, here].every(({id}) => system.database.cache.replicas.has(id)));
  await first.stop();
  await eventually(() => expect(deployed.record('d')?.owner?.value.replica).toBe(here.id), {timeoutMs: 20_000});
  expect(deployed.pids('d')).toEqual([pid]);

  await here.stop();
  await eventually(() => expect(deployed.record('d')?.owner?.value.replica).toBe(other.id), {timeoutMs: 20_000});
  expect(isAlive(pid)).toBe(true);
  const next = await deployed.untilRunning('d', (candidate) => candidate !== pid);
  expect([isAlive(pid), isAlive(next)]).toEqual([false, true]);
  expect(deployed.state('d')).toMatchObject({tries_total: 2, failures: 0});
  const {entries} = await system.database.store.range(`~log/${deploymentJobs('d')}/`);
  expect(entries.map(({value}) => value.toString()).join()).toContain('its host does not answer');
}, 120_000);
