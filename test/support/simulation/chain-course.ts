import {expect} from 'vitest';
import {ChainRun} from '../../../src/model/chain-run.ts';
import {parseControl} from '../../../src/schema/control.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import {parseJob} from '../../../src/schema/job.ts';
import type {Job} from '../../../src/schema/job.ts';
import {controlKey, jobKey, logKey, parseKey, stateKey} from '../../../src/schema/keys.ts';
import {isTerminal, parseScanState} from '../../../src/schema/state.ts';
import type {ScanState} from '../../../src/schema/state.ts';
import {eventually} from '../eventually.ts';
import {randomChain} from '../random-chain.ts';
import {ReferenceInterpreter} from '../reference-interpreter.ts';
import type {Asked, Ending} from '../reference-interpreter.ts';
import {putChain, randomJobs} from './chain-jobs.ts';
import {ChainRecorder} from './chain-recorder.ts';
import {disturb} from './nemesis.ts';
import type {Fault} from './nemesis.ts';
import {Referee} from './referee.ts';
import {simulate} from './simulation.ts';
import type {Simulation} from './simulation.ts';

export interface ChainCourse {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** How many requests there are. */
  readonly chains: number;
}

/** What a course had in it, to be counted. */
export interface ChainOutcome {
  readonly states: readonly string[];
  readonly faults: readonly string[];
  /** How tries ended, in any order. */
  readonly endings: readonly Ending[];
  readonly rolledBack: number;
}

/** All requests are there by then, and nothing befalls replicas any more. Milliseconds. */
const TROUBLED_MS = 15_000;

/**
 * Random chains of random jobs on three replicas, while those suffer and users suspend, resume and stop. Every request has to come to its end, or to rest
 * where it is to be suspended; and its jobs to the states and the numbers of tries that the reference interpreter comes to.
 */
export function chainsUnder({seed, faults, chains}: ChainCourse): Promise<ChainOutcome> {
  const endings = new Map<string, Ending>();
  return simulate({seed, jobs: randomJobs(endings)}, async (simulation) => {
    const referee = new Referee(simulation);
    const recorder = new ChainRecorder(simulation, endings);
    const requests = new Map(
      Array.from({length: chains}, (_, i): [string, Chain] => [`r${i}`, randomChain(simulation.random, 4 + simulation.pick(20))]),
    );
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    for (const [id, chain] of requests) {
      const beginMs = simulation.random() * (TROUBLED_MS / 2);
      simulation.time.after(beginMs, () => putChain(simulation, id, chain), undefined);
      use(simulation, id, beginMs);
    }
    const done = await disturb(simulation, {faults, forMs: TROUBLED_MS, everyMs: 2000, replicas: 3});
    await eventually(() => [...requests.keys()].every((id) => isAtRest(simulation, id)), {timeoutMs: 600_000, everyMs: 200});

    expect(referee.verdict()).toEqual([]);
    expect(recorder.problems).toEqual([]);
    expect(simulation.host.live()).toEqual([]);
    const left = simulation.etcd.list('/').filter(({key}) => ['owner', 'admission', 'backlog'].includes(parseKey(key)?.kind ?? ''));
    expect(left.map(({key}) => key)).toEqual([]);
    let rolledBack = 0;
    for (const [id, chain] of requests) {
      const reference = new ReferenceInterpreter(chain);
      for (const events of recorder.eventsOf(id)) reference.apply(...events);
      expect({id, violations: [], ...asStored(simulation, id, chain)}).toEqual({
        id,
        violations: reference.violations,
        ...asReplayed(reference, chain),
      });
      expectHonestTries(simulation, recorder, id);
      for (const first of Object.keys(chain.sequences ?? {})) rolledBack += reference.rolledBack(first);
    }
    const states = [...requests.keys()].map((id) => stateOf(simulation, id)?.name ?? '');
    const tries = [...requests.keys()].flatMap((id) => recorder.eventsOf(id).flat());
    return {states, faults: done, rolledBack, endings: tries.flatMap((event) => (event.kind === 'ended' ? [event.how] : []))};
  });
}

/** A user who lets a request be, suspends it once or more, for a while or for good, or stops it, also while it is suspended. */
function use(simulation: Simulation, id: string, beginMs: number): void {
  let atMs = beginMs;
  const wish = (what: Asked): void => {
    atMs += simulation.random() * 6000;
    simulation.time.after(atMs, () => simulation.etcd.put(controlKey(id), JSON.stringify({desired: what})), undefined);
  };
  for (let n = simulation.pick(3); n > 0; n -= 1) {
    wish('suspend');
    if (n > 1 || simulation.random() < 0.8) wish('run');
  }
  if (simulation.random() < 0.15) wish('stop');
}

/** The end of a request as its keys tell it. */
function asStored(simulation: Simulation, id: string, chain: Chain): object {
  const records = simulation.etcd
    .list(jobKey(id, ''))
    .map(({key, value}): [string, Job] => [key.slice(jobKey(id, '').length), parseJob(value.toString(), key)]);
  const jobs = new Map(records);
  const run = new ChainRun(chain, 1, Date.now(), records);
  return {
    state: stateOf(simulation, id)?.name,
    finished: stateOf(simulation, id)?.jobs_finished,
    jobs: Object.keys(chain.jobs).map((job) => `${job} ${run.stateOf(job)} ${jobs.get(job)?.tries_total ?? 0}`),
    rolledBack: Object.keys(chain.sequences ?? {}).map((first) => `${first} ${jobs.get(first)?.sequence?.rolled_back ?? 0}`),
  };
}

/** The same, as the reference interpreter has it. */
function asReplayed(reference: ReferenceInterpreter, chain: Chain): object {
  const jobs = Object.keys(chain.jobs);
  return {
    state: reference.state,
    finished: jobs.filter((job) => reference.job(job).state === 'COMPLETE').length,
    jobs: jobs.map((job) => `${job} ${reference.job(job).state} ${reference.job(job).tries}`),
    rolledBack: Object.keys(chain.sequences ?? {}).map((first) => `${first} ${reference.rolledBack(first)}`),
  };
}

/** Every try that was recorded and did begin ran once, nothing ran that was not recorded, and each has its log entry. */
function expectHonestTries(simulation: Simulation, recorder: ChainRecorder, id: string): void {
  const counts = new Map<string, number>();
  const recorded: string[] = [];
  const begun: string[] = [];
  for (const event of recorder.eventsOf(id).flat()) {
    if (event.kind === 'launched') counts.set(event.job, (counts.get(event.job) ?? 0) + 1);
    if (event.kind !== 'ended') continue;
    const number = counts.get(event.job) ?? 0;
    recorded.push(logKey(id, event.job, number));
    if (event.how !== 'lost') begun.push(`${id}/${event.job}/${number}`);
  }
  const ran = simulation.host.runs.filter(({ref}) => ref.scanId === id).map(({name}) => name);
  expect(ran.toSorted()).toEqual(begun.toSorted());
  expect(
    simulation.etcd
      .list(`~log/${id}/`)
      .map(({key}) => key)
      .toSorted(),
  ).toEqual(recorded.toSorted());
}

function stateOf(simulation: Simulation, id: string): ScanState | undefined {
  const entry = simulation.etcd.get(stateKey(id));
  return entry === undefined ? undefined : parseScanState(entry.value.toString(), entry.key);
}

/** Whether it is over, or suspended as its user wants it; one that never began may have no state then. */
function isAtRest(simulation: Simulation, id: string): boolean {
  const name = stateOf(simulation, id)?.name;
  if (name === undefined) return false;
  if (isTerminal(name)) return true;
  const control = simulation.etcd.get(controlKey(id));
  return name === 'SUSPENDED' && control !== undefined && parseControl(control.value.toString(), control.key).desired === 'suspend';
}
