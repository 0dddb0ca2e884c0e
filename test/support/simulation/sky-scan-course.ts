import {expect} from 'vitest';
import {jobKey, parseKey, stateKey} from '../../../src/schema/keys.ts';
import {parseScanState} from '../../../src/schema/state.ts';
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

/** Sky scans with failing jobs while replicas suffer; every scan has to come to its end. */
export function scansUnder(faults: readonly Fault[], seed: number, scans = 10): Promise<Outcome> {
  const jobs = skyScanJobs({serverFails: 0.2, workersFail: 0.2, longestMs: 3000});
  return simulate({seed, jobs}, async (simulation) => {
    const referee = new Referee(simulation);
    const ids = Array.from({length: scans}, (_, i) => `s${i}`);
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    for (const id of ids) simulation.time.after(simulation.random() * 12_000, () => putSkyScan(simulation, id, 1 + simulation.pick(4)), undefined);
    const done = await disturb(simulation, {faults, forMs: 12_000, everyMs: 1000, replicas: 3});
    await eventually(() => ids.every((id) => stateOf(simulation, id) !== undefined && isOver(simulation, id)), {timeoutMs: 180_000, everyMs: 100});
    expect(referee.verdict()).toEqual([]);
    expect(simulation.host.live()).toEqual([]);
    for (const replica of simulation.alive()) expect(await seenBy(simulation, replica)).toEqual(stored(simulation));
    // Nothing is left behind: no owner, no admission, no backlog entry.
    const left = simulation.etcd.list('/').filter(({key}) => ['owner', 'admission', 'backlog'].includes(parseKey(key)?.kind ?? ''));
    expect(left.map(({key}) => key)).toEqual([]);
    return {states: Object.fromEntries(ids.map((id) => [id, stateOf(simulation, id) ?? ''])), history: simulation.history, faults: done};
  });
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
