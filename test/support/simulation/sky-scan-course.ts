import {expect} from 'vitest';
import type {Desired} from '../../../src/schema/control.ts';
import {controlKey, jobKey, parseKey, stateKey} from '../../../src/schema/keys.ts';
import {parseScanState} from '../../../src/schema/state.ts';
import type {Database} from '../../../src/store/open.ts';
import {eventually} from '../eventually.ts';
import {disturb} from './nemesis.ts';
import type {Fault} from './nemesis.ts';
import {Referee} from './referee.ts';
import {simulate} from './simulation.ts';
import type {SimulatedReplica, Simulation} from './simulation.ts';
import {putSkyScan, skyScanJobs} from './sky-scan-jobs.ts';

export interface Outcome {
  readonly states: Readonly<Record<string, string>>;
  readonly history: readonly string[];
  readonly faults: readonly string[];
}

export interface Course {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Whether users suspend, resume and stop scans meanwhile. */
  readonly withUsers?: boolean;
  /** @see SimulationOptions.spoil */
  readonly spoil?: (database: Database) => void;
}

const SCANS = 10;
const BEGIN_MS = 12_000;

/** Sky scans with failing jobs while replicas suffer; every scan has to come to its end, and nothing may happen that must not. */
export function scansUnder({seed, faults, withUsers = false, spoil}: Course): Promise<Outcome> {
  const jobs = skyScanJobs({serverFails: 0.35, workersFail: 0.3, longestMs: 3000});
  // Some of the etcds are old, and all cut what they send.
  const etcd = {version: seed % 3 === 0 ? '3.4.23' : '3.5.21', fragmentBytes: 2000};
  return simulate({seed, jobs, etcd, ...(spoil === undefined ? {} : {spoil})}, async (simulation) => {
    const referee = new Referee(simulation);
    const ids = Array.from({length: SCANS}, (_, i) => `s${i}`);
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    for (const id of ids) {
      const beginMs = simulation.random() * BEGIN_MS;
      simulation.time.after(beginMs, () => putSkyScan(simulation, id, 1 + simulation.pick(4)), undefined);
      if (withUsers) use(simulation, id, beginMs);
    }
    const done = await disturb(simulation, {faults, forMs: BEGIN_MS, everyMs: 1000, replicas: 3});
    await eventually(() => ids.every((id) => isOver(simulation, id)), {timeoutMs: 180_000, everyMs: 100});
    expect(referee.verdict()).toEqual([]);
    expect(simulation.host.live()).toEqual([]);
    for (const replica of simulation.serving()) expect(await seenBy(simulation, replica)).toEqual(stored(simulation));
    // Nothing is left behind: no owner, no admission, no backlog entry.
    const left = simulation.etcd.list('/').filter(({key}) => ['owner', 'admission', 'backlog'].includes(parseKey(key)?.kind ?? ''));
    expect(left.map(({key}) => key)).toEqual([]);
    return {states: Object.fromEntries(ids.map((id) => [id, stateOf(simulation, id) ?? ''])), history: simulation.history, faults: done};
  });
}

/** A user of one scan, who lets it be, suspends it for a while, or stops it. */
function use(simulation: Simulation, id: string, beginMs: number): void {
  const wish = (afterMs: number, desired: Desired): void => {
    simulation.time.after(afterMs, () => simulation.etcd.put(controlKey(id), JSON.stringify({desired})), undefined);
  };
  const whenMs = beginMs + simulation.random() * 4000;
  const forMs = simulation.random() * 8000;
  switch (simulation.pick(3)) {
    case 0:
      return;
    case 1:
      wish(whenMs, 'suspend');
      return wish(whenMs + forMs, 'run');
    default:
      // Also while it is suspended.
      if (simulation.random() < 0.5) wish(whenMs, 'suspend');
      return wish(whenMs + forMs, 'stop');
  }
}

/** What a replica sees of the scans, once it has caught up; it may not have begun yet. */
async function seenBy(simulation: Simulation, {process, database}: SimulatedReplica): Promise<readonly string[]> {
  const {cache} = database;
  await process.run(() => cache.ready());
  await eventually(() => cache.revision >= simulation.etcd.keys.revision);
  return [...cache.scans.values()]
    .map(({id, state, jobs}) => `${id} ${state?.modRevision} ${[...(jobs?.keys() ?? [])].toSorted().join()}`)
    .toSorted();
}

/** The same, as it is stored. */
function stored({etcd}: Simulation): readonly string[] {
  const ids = new Set(etcd.list('/scan/').map(({key}) => key.split('/')[2] as string));
  const jobsOf = (id: string): string[] => etcd.list(jobKey(id, '')).map(({key}) => key.slice(jobKey(id, '').length));
  return [...ids].map((id) => `${id} ${etcd.get(stateKey(id))?.modRevision} ${jobsOf(id).join()}`).toSorted();
}

function stateOf(simulation: Simulation, id: string): string | undefined {
  const entry = simulation.etcd.get(stateKey(id));
  return entry === undefined ? undefined : parseScanState(entry.value.toString(), entry.key).name;
}

function isOver(simulation: Simulation, id: string): boolean {
  return ['COMPLETE', 'FAIL', 'STOPPED'].includes(stateOf(simulation, id) ?? '');
}
