import {expect} from 'vitest';
import {ChainRun} from '../../../src/model/chain-run.ts';
import {parseControl} from '../../../src/schema/control.ts';
import {NOOP} from '../../../src/schema/chain.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import {parseJob} from '../../../src/schema/job.ts';
import type {Cluster} from '../../../src/schema/cluster.ts';
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
  /** How many requests there are; {@link CHAINS} unless told. */
  readonly chains?: number;
}

/** What a course had in it, to be counted. */
export interface ChainOutcome {
  readonly states: readonly string[];
  /** How tries ended, in any order. */
  readonly endings: readonly Ending[];
  readonly rolledBack: number;
  readonly kills: number;
  /** What was written, and when. */
  readonly digest: string;
}

export const CHAINS = 5;
interface AtRest {
  readonly state: string | undefined;
  readonly finished: number | undefined;
  readonly jobs: readonly string[];
  readonly rolledBack: readonly string[];
}

/** All requests are there by then, and nothing befalls replicas any more. Milliseconds. */
const TROUBLED_MS = 15_000;
const REPLICAS = 3;
/** Of the transactions of owners, in one of so many its owner is killed before it hears that it is committed. */
const KILLED_ONE_IN = 25;
/** Room for most of what can run at once, not for all. */
const CLUSTERS: Readonly<Record<string, Cluster>> = {local: {engine: 'process', capacity: 20, settings: {}}};

/**
 * Random chains of random jobs on three replicas, while those suffer and users suspend, resume and stop. Every request has to come to its end, or to rest
 * where it is to be suspended; and its jobs to the states and the numbers of tries that the reference interpreter comes to.
 */
export async function chainsUnder(course: ChainCourse): Promise<ChainOutcome> {
  try {
    return await runCourse(course);
  } catch (err) {
    const again = `SCANPLANE_SEED=${course.seed} SCANPLANE_FAULTS='${course.faults.join()}' npx vitest run --project unit test/simulation/chains.test.ts`;
    throw new Error(`${err instanceof Error ? err.message : String(err)}\nThis course alone: ${again}`, {cause: err});
  }
}

function runCourse({seed, faults, chains = CHAINS}: ChainCourse): Promise<ChainOutcome> {
  const endings = new Map<string, Ending>();
  return simulate({seed, jobs: randomJobs(endings), clusters: CLUSTERS}, async (simulation) => {
    const referee = new Referee(simulation);
    const recorder = new ChainRecorder(simulation, endings);
    const requests = new Map(
      Array.from({length: chains}, (_, i): [string, Chain] => [`r${i}`, randomChain(simulation.random, 4 + simulation.pick(20))]),
    );
    for (let i = 0; i < REPLICAS; i += 1) simulation.startReplica();
    if (faults.includes('kill')) killAtCommits(simulation);
    for (const [id, chain] of requests) {
      const beginMs = simulation.random() * (TROUBLED_MS / 2);
      simulation.time.after(beginMs, () => putChain(simulation, id, chain), undefined);
      use(simulation, id, beginMs);
    }
    await disturb(simulation, {faults, forMs: TROUBLED_MS, everyMs: 2000, replicas: REPLICAS});
    const ids = [...requests.keys()];
    await eventually(() => ids.every((id) => isAtRest(simulation, id)) && leftOver(simulation).length === 0, {
      timeoutMs: 600_000,
      everyMs: 200,
    }).catch(() => {
      throw new Error(`not at rest: ${ids.filter((id) => !isAtRest(simulation, id)).join()}; left over: ${leftOver(simulation).join()}`);
    });

    expect(referee.verdict()).toEqual([]);
    expect(recorder.problems).toEqual([]);
    expect(simulation.host.live()).toEqual([]);
    let rolledBack = 0;
    for (const [id, chain] of requests) {
      const reference = new ReferenceInterpreter(chain);
      for (const events of recorder.eventsOf(id)) reference.apply(...events);
      const story = recorder.eventsOf(id).map((events) => JSON.stringify(events));
      const replayed = asReplayed(reference, chain);
      const stored = asStored(simulation, id, chain);
      const counted = replayed.state !== 'COMPLETE' && mayHaveWaited(reference, chain) ? {finished: stored.finished} : {};
      expect({violations: [], ...stored}, `${id}: ${JSON.stringify(chain)}\n${story.join('\n')}`).toEqual({
        violations: reference.violations,
        ...replayed,
        ...counted,
      });
      expectHonestTries(simulation, recorder, id);
      for (const first of Object.keys(chain.sequences ?? {})) rolledBack += reference.rolledBack(first);
    }
    const states = [...requests.keys()].map((id) => stateOf(simulation, id)?.name ?? '');
    const tries = [...requests.keys()].flatMap((id) => recorder.eventsOf(id).flat());
    return {
      states,
      kills: simulation.replicas.filter(({process}) => process.state === 'killed').length,
      digest: simulation.digest(),
      rolledBack,
      endings: tries.flatMap((event) => (event.kind === 'ended' ? [event.how] : [])),
    };
  });
}

/** Kills owners at the moment that is the hardest: what they wrote is there, and what was to come of it (a launch, say) has not begun. */
function killAtCommits(simulation: Simulation): void {
  simulation.etcd.onWrite(({changes}) => {
    if (simulation.time.nowMs > TROUBLED_MS) return;
    const job = changes.find(({event}) => event.kind === 'put' && parseKey(event.kv.key)?.kind === 'job');
    if (job === undefined || simulation.pick(KILLED_ONE_IN) > 0) return;
    const {by} = parseJob(job.event.kv.value.toString(), job.event.kv.key);
    simulation
      .alive()
      .find(({id}) => id === by?.replica)
      ?.kill();
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

/** Keys of which none remains when all is at rest. */
function leftOver({etcd}: Simulation): readonly string[] {
  const keys = etcd.list('/').map(({key}) => key);
  return keys.filter((key) => ['owner', 'admission', 'backlog'].includes(parseKey(key)?.kind ?? ''));
}

/** The end of a request as its keys tell it. */
function asStored(simulation: Simulation, id: string, chain: Chain): AtRest {
  const records = simulation.etcd
    .list(jobKey(id, ''))
    .map(({key, value}): [string, Job] => [key.slice(jobKey(id, '').length), parseJob(value.toString(), key)]);
  const jobs = new Map(records);
  const run = new ChainRun(chain, 1, Date.now(), records);
  const state = stateOf(simulation, id);
  return {
    state: state?.name,
    finished: state?.jobs_finished,
    jobs: realJobs(chain).map((job) => `${job} ${run.stateOf(job)} ${jobs.get(job)?.tries_total ?? 0}`),
    rolledBack: Object.keys(chain.sequences ?? {}).map((first) => `${first} ${jobs.get(first)?.sequence?.rolled_back ?? 0}`),
  };
}

/** The same, as the reference interpreter has it. */
function asReplayed(reference: ReferenceInterpreter, chain: Chain): AtRest {
  return {
    state: reference.state,
    finished: Object.keys(chain.jobs).filter((job) => reference.job(job).state === 'COMPLETE').length,
    jobs: realJobs(chain).map((job) => `${job} ${reference.job(job).state} ${reference.job(job).tries}`),
    rolledBack: Object.keys(chain.sequences ?? {}).map((first) => `${first} ${reference.rolledBack(first)}`),
  };
}

/** Those that are run. */
function realJobs(chain: Chain): readonly string[] {
  return Object.keys(chain.jobs).filter((job) => chain.jobs[job]?.type !== NOOP);
}

/** Whether a noop may have become COMPLETE after the request came to rest, since the wait of its sequence was over: nobody counted it then. */
function mayHaveWaited(reference: ReferenceInterpreter, chain: Chain): boolean {
  const sequences = Object.entries(chain.sequences ?? {});
  return sequences.some(([first, {retry_wait}]) => retry_wait !== undefined && chain.jobs[first]?.type === NOOP && reference.rolledBack(first) > 0);
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
