import {expect} from 'vitest';
import {sleep} from '../../../src/lib/sleep.ts';
import {parseKey, pbKey, pbStateKey, scriptKey} from '../../../src/schema/keys.ts';
import {isPbOver, parsePbState} from '../../../src/schema/processing-block.ts';
import type {PbState} from '../../../src/schema/processing-block.ts';
import type {Database} from '../../../src/store/open.ts';
import {eventually} from '../eventually.ts';
import {runScript} from './block-script.ts';
import type {ScriptPlan} from './block-script.ts';
import {overlaps} from './overlaps.ts';
import {Referee} from './referee.ts';
import {simulate} from './simulation.ts';
import type {Simulation} from './simulation.ts';

export interface BlockCourse {
  readonly seed: number;
  readonly blocks: number;
  /** @see SimulationOptions.spoil */
  readonly spoil?: (database: Database) => void;
}

export interface BlockOutcome {
  /** How many blocks ended how. */
  readonly ends: Readonly<Record<string, number>>;
  readonly kills: number;
  readonly killedScripts: number;
  readonly runs: number;
}

/** One block as it was planned. */
interface PlannedBlock {
  readonly id: string;
  readonly kind: 'batch' | 'realtime';
  readonly dependencies: readonly string[];
  readonly script: ScriptPlan;
}

const CREATION_MS = 15_000;
const KILL_EVERY_MS = 1000;
const MISSING = 'pb-missing';
/** Blocks that may wait for each other. */
const GROUP = 20;
/** How much later than a block one may come that it waits for: less than the grace. */
const LATE_MS = 200;

/** Blocks of which each waits for some of those before it; some name one that does not exist. */
function planBlocks(simulation: Simulation, count: number): PlannedBlock[] {
  const {random} = simulation;
  const blocks: PlannedBlock[] = [];
  for (let i = 0; i < count; i += 1) {
    const kind = random() < 0.15 ? 'realtime' : 'batch';
    const wanted = kind === 'realtime' || i === 0 ? 0 : simulation.pick(4);
    // Of one group, so that what fails does not take everything with it.
    const first = i - (i % GROUP);
    const near = Array.from({length: i === first ? 0 : wanted}, () => `pb-${first + simulation.pick(i - first)}`);
    const dependencies = [...new Set([...near, ...(kind === 'batch' && random() < 0.01 ? [MISSING] : [])])];
    const luck = random();
    const outcome = luck < 0.94 ? 'FINISHED' : luck < 0.96 ? 'FAILED' : luck < 0.98 ? 'vanish' : 'crash';
    blocks.push({id: `pb-${i}`, kind, dependencies, script: {outcome, workMs: 20 + random() * 400, ttlSeconds: 3}});
  }
  return blocks;
}

/** What has to become of each block, as its dependencies and its script demand it; `cancelled`: an operator was first. */
function demanded(blocks: readonly PlannedBlock[], cancelled: ReadonlySet<string>): Map<string, string> {
  const ends = new Map<string, string>();
  for (const {id, dependencies, script} of blocks) {
    const mayRun = dependencies.every((each) => ends.get(each) === 'FINISHED');
    ends.set(id, cancelled.has(id) ? 'CANCELLED' : mayRun && script.outcome === 'FINISHED' ? 'FINISHED' : 'FAILED');
  }
  return ends;
}

/**
 * Processing blocks that wait for each other, while one of three controller replicas is killed every second, scripts are killed and operators cancel: each has
 * to end as its dependencies demand, and no script may run twice at once.
 */
export function blocksUnder({seed, blocks: count, spoil}: BlockCourse): Promise<BlockOutcome> {
  const plans = new Map<string, PlannedBlock>();
  let killedScripts = 0;
  const jobs =
    (simulation: Simulation) =>
    (run: Parameters<typeof runScript>[1]): void => {
      const pbId = (JSON.parse(run.spec.document ?? '{}') as {readonly pb_id?: string}).pb_id ?? '';
      const plan = plans.get(pbId);
      if (plan === undefined) throw new Error(`a script was started for ${pbId}`);
      runScript(simulation, run, pbId, plan.script);
      if (simulation.random() >= 0.15) return;
      run.after(simulation.random() * 3000, () => {
        killedScripts += 1;
        run.exit(null, {signal: 'SIGKILL'});
      });
    };
  const settings = {SCANPLANE_BLOCK_GRACE_SECONDS: '0.5'};
  const clusters = {local: {engine: 'process', capacity: 30, settings: {}}};
  return simulate({seed, jobs, settings, clusters, ...(spoil === undefined ? {} : {spoil})}, async (simulation) => {
    const {etcd, random, time} = simulation;
    const referee = new Referee(simulation);
    const finals = watchFinals(simulation);
    const cancelled = new Set<string>();
    const blocks = planBlocks(simulation, count);
    for (const block of blocks) plans.set(block.id, block);
    for (const kind of ['batch', 'realtime']) etcd.put(scriptKey(`${kind}:simulated:1`), JSON.stringify({command: ['script']}));
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    const spanMs = CREATION_MS * Math.min(1, count / 100);
    for (const [i, {id, kind, dependencies}] of blocks.entries()) {
      const beginMs = (i / count) * spanMs + random() * LATE_MS;
      const spec = {
        pb_id: id,
        eb_id: null,
        script: {kind, name: 'simulated', version: '1'},
        dependencies: dependencies.map((pb_id) => ({pb_id, kind: []})),
      };
      time.after(beginMs, () => etcd.put(pbKey(id), JSON.stringify(spec)), undefined);
    }
    for (const {id} of blocks) {
      if (random() < 0.05) time.after(random() * 2 * spanMs, () => cancel(simulation, id, cancelled), undefined);
    }
    let kills = 0;
    const over = new AbortController();
    const killing = (async (): Promise<void> => {
      while (!over.signal.aborted) {
        await sleep(KILL_EVERY_MS, over.signal);
        if (over.signal.aborted) return;
        simulation.serving()[simulation.pick(simulation.serving().length)]?.kill();
        kills += 1;
        simulation.startReplica();
      }
    })();
    try {
      await eventually(() => blocks.every(({id}) => isPbOver(stateOf(simulation, id)?.status ?? 'STARTING')), {timeoutMs: 600_000, everyMs: 250});
    } finally {
      over.abort();
      await killing;
    }
    const ends = new Map(blocks.map(({id}) => [id, stateOf(simulation, id)?.status as string]));
    expect(ends).toEqual(demanded(blocks, cancelled));
    for (const {id, dependencies} of blocks) {
      const {status, reason} = stateOf(simulation, id) as PbState;
      const isHeld = dependencies.some((each) => ends.get(each) !== 'FINISHED');
      const words = isHeld ? /^(dependency pb-|script failed)/ : /^(the script says so|script failed|script ended without)/;
      if (status === 'FAILED' && !words.test(reason ?? '')) expect(`${id}: ${reason}`).toBe(`${id} FAILED: ${words}`);
    }
    await eventually(() => expect(left(simulation)).toEqual([]), {timeoutMs: 60_000, everyMs: 250});
    expect(simulation.host.live().map(({name}) => name)).toEqual([]);
    expect([...finals, ...referee.verdict(), ...overlaps(simulation)]).toEqual([]);
    const counts: Record<string, number> = {};
    for (const end of ends.values()) counts[end] = (counts[end] ?? 0) + 1;
    return {ends: counts, kills, killedScripts, runs: simulation.host.runs.length};
  });
}

/** An operator cancels a block that is not over, as with etcdctl. */
function cancel(simulation: Simulation, id: string, cancelled: Set<string>): void {
  const state = stateOf(simulation, id);
  if (state === undefined || isPbOver(state.status)) return;
  simulation.etcd.put(pbStateKey(id), JSON.stringify({...state, status: 'CANCELLED'}));
  cancelled.add(id);
}

/** Notes what becomes of states that were final. */
function watchFinals({etcd}: Simulation): string[] {
  const violations: string[] = [];
  const finals = new Map<string, string>();
  etcd.onWrite(({revision, changes}) => {
    for (const {event} of changes) {
      const ref = parseKey(event.kv.key);
      if (ref?.kind !== 'pb-state') continue;
      const status = event.kind === 'put' ? parsePbState(event.kv.value.toString(), event.kv.key).status : 'none';
      const before = finals.get(ref.id);
      if (before !== undefined && before !== status) violations.push(`${revision}: ${ref.id} went from ${before} to ${status}`);
      if (status !== 'none' && isPbOver(status)) finals.set(ref.id, status);
    }
  });
  return violations;
}

/** Keys that nobody needs any more when all blocks are over. */
function left({etcd}: Simulation): string[] {
  const kinds = ['pb-owner', 'pb-admission', 'backlog', 'deploy-owner'];
  return ['/pb/', '/backlog/', '/deploy/']
    .flatMap((prefix) => etcd.list(prefix).map(({key}) => key))
    .filter((key) => kinds.includes(parseKey(key)?.kind ?? ''));
}

function stateOf({etcd}: Simulation, id: string): PbState | undefined {
  const entry = etcd.get(pbStateKey(id));
  return entry === undefined ? undefined : parsePbState(entry.value.toString(), entry.key);
}
