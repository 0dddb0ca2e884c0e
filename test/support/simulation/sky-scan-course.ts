import {expect} from 'vitest';
import {parseKey, stateKey} from '../../../src/schema/keys.ts';
import {parseScanState} from '../../../src/schema/state.ts';
import {eventually} from '../eventually.ts';
import {disturb} from './nemesis.ts';
import type {Fault} from './nemesis.ts';
import {Referee} from './referee.ts';
import {simulate} from './simulation.ts';
import type {Simulation} from './simulation.ts';
import {putSkyScan, skyScanJobs} from './sky-scan-jobs.ts';

export interface Outcome {
  readonly states: Readonly<Record<string, string>>;
  readonly history: readonly string[];
  readonly faults: readonly string[];
}

/** Sky scans with failing jobs while replicas suffer; every scan has to come to its end. */
export function scansUnder(faults: readonly Fault[], seed: number, scans = 6): Promise<Outcome> {
  const jobs = skyScanJobs({serverFails: 0.2, workersFail: 0.2, longestMs: 3000});
  return simulate({seed, jobs}, async (simulation) => {
    const referee = new Referee(simulation);
    const ids = Array.from({length: scans}, (_, i) => `s${i}`);
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    for (const id of ids) simulation.time.after(simulation.random() * 10_000, () => putSkyScan(simulation, id, 1 + simulation.pick(4)), undefined);
    const done = await disturb(simulation, {faults, forMs: 12_000, everyMs: 3000, replicas: 3});
    await eventually(() => ids.every((id) => stateOf(simulation, id) !== undefined && isOver(simulation, id)), {timeoutMs: 180_000, everyMs: 100});
    expect(referee.verdict()).toEqual([]);
    expect(simulation.host.live()).toEqual([]);
    // Nothing is left behind: no owner, no admission, no backlog entry.
    const left = simulation.etcd.list('/').filter(({key}) => ['owner', 'admission', 'backlog'].includes(parseKey(key)?.kind ?? ''));
    expect(left.map(({key}) => key)).toEqual([]);
    return {states: Object.fromEntries(ids.map((id) => [id, stateOf(simulation, id) ?? ''])), history: simulation.history, faults: done};
  });
}

function stateOf(simulation: Simulation, id: string): string | undefined {
  const entry = simulation.etcd.get(stateKey(id));
  return entry === undefined ? undefined : parseScanState(entry.value.toString(), entry.key).name;
}

function isOver(simulation: Simulation, id: string): boolean {
  return ['COMPLETE', 'FAIL', 'STOPPED'].includes(stateOf(simulation, id) ?? '');
}
