import {expect} from 'vitest';
import {sleep} from '../../../src/lib/sleep.ts';
import {parseDeploymentState} from '../../../src/schema/deployment.ts';
import type {DeploymentState} from '../../../src/schema/deployment.ts';
import {deployKey, deployOwnerKey, deployStateKey} from '../../../src/schema/keys.ts';
import type {Database} from '../../../src/store/open.ts';
import {eventually} from '../eventually.ts';
import {disturb} from './nemesis.ts';
import type {Fault} from './nemesis.ts';
import {overlaps} from './overlaps.ts';
import {Referee} from './referee.ts';
import type {Run} from './running-try.ts';
import {simulate} from './simulation.ts';
import type {Simulation} from './simulation.ts';

export interface DeploymentCourse {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Whether operators change, delete, create again and spoil deployments meanwhile. */
  readonly withOperators?: boolean;
  /** @see SimulationOptions.spoil */
  readonly spoil?: (database: Database) => void;
}

export interface DeploymentOutcome {
  /** Status by id; absent: the deployment was deleted. */
  readonly ends: Readonly<Record<string, string>>;
  readonly faults: readonly string[];
  readonly runs: number;
}

const DEPLOYMENTS = 10;
const COURSE_MS = 12_000;
/** Between deletion and new creation. */
const LONGEST_PAUSE_MS = 2000;
const DAMAGE = '{"status": 7}';

/** What the process of a deployment does, by its command: goes on until it is stopped, or ends well or badly after a while. */
function behave({random}: Simulation): (run: Run) => void {
  return (run) => {
    const afterMs = 20 + random() * 3000;
    if (run.spec.command[0] === 'task') run.after(afterMs, () => run.exit(random() < 0.4 ? 1 : 0));
    else if (random() < 0.2) run.after(afterMs, () => run.exit(null, {signal: 'SIGKILL'}));
  };
}

/** Deployments with failing processes while replicas suffer; each has to come to its end, and no two processes of one may run at the same time. */
export function deploymentsUnder({seed, faults, withOperators = false, spoil}: DeploymentCourse): Promise<DeploymentOutcome> {
  const etcd = {version: seed % 3 === 0 ? '3.4.23' : '3.5.21', fragmentBytes: 2000};
  return simulate({seed, jobs: behave, etcd, ...(spoil === undefined ? {} : {spoil})}, async (simulation) => {
    const {random, time} = simulation;
    const referee = new Referee(simulation);
    const ids = Array.from({length: DEPLOYMENTS}, (_, i) => `d${i}`);
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    for (const [i, id] of ids.entries()) {
      const beginMs = random() * COURSE_MS;
      time.after(beginMs, () => deploy(simulation, id, i % 2 === 0 ? 'task' : 'service'), undefined);
      if (!withOperators) continue;
      for (let n = 0; n < 3; n += 1) time.after(beginMs + random() * COURSE_MS, () => operate(simulation, id), undefined);
    }
    const done = await disturb(simulation, {faults, forMs: 2 * COURSE_MS, everyMs: 1000, replicas: 3});
    await sleep(LONGEST_PAUSE_MS); // What operators have begun comes to its end.
    // What goes on for ever is ended by its key.
    const isService = (id: string): boolean => String(simulation.etcd.get(deployKey(id))?.value).includes('service');
    await eventually(() => ids.every((id) => isService(id) || isOver(simulation, id)), {timeoutMs: 180_000, everyMs: 100});
    for (const id of ids) if (isService(id)) simulation.etcd.delete(deployKey(id));
    await eventually(() => ids.every((id) => isOver(simulation, id) && !isOwned(simulation, id)), {timeoutMs: 180_000, everyMs: 100});
    await eventually(() => expect(simulation.host.live().map(({name}) => name)).toEqual([]), {timeoutMs: 60_000, everyMs: 100});
    expect(referee.verdict()).toEqual([]);
    expect(overlaps(simulation)).toEqual([]);
    const ends = ids.flatMap((id) =>
      simulation.etcd.get(deployKey(id)) === undefined ? [] : [[id, stateOf(simulation, id)?.status ?? 'none'] as const],
    );
    return {ends: Object.fromEntries(ends), faults: done, runs: simulation.host.runs.length};
  });
}

function deploy({etcd}: Simulation, id: string, kind: string, version = 1): void {
  etcd.put(deployKey(id), JSON.stringify({id, type: 'job', args: {command: [kind, String(version)], retries: 20}}));
}

/** One thing that somebody with etcdctl, or a program with the library, does to a deployment. */
function operate(simulation: Simulation, id: string): void {
  const {etcd, time, random} = simulation;
  if (etcd.isDown) return;
  const kind = String(etcd.get(deployKey(id))?.value).includes('service') ? 'service' : 'task';
  const anew = (): void => deploy(simulation, id, kind, simulation.pick(1000));
  switch (simulation.pick(5)) {
    case 0:
      return anew();
    case 1:
      etcd.delete(deployKey(id));
      time.after(random() < 0.5 ? 0 : random() * LONGEST_PAUSE_MS, anew, undefined);
      return;
    case 2:
      if (etcd.get(deployStateKey(id)) !== undefined) etcd.delete(deployStateKey(id));
      return;
    case 3:
      if (etcd.get(deployStateKey(id)) !== undefined) etcd.put(deployStateKey(id), DAMAGE);
      return;
    default:
      // With all that is known of it, as the library deletes. While it is being launched nobody could know of the launch any more.
      if (stateOf(simulation, id)?.status !== 'RUNNING') return;
      for (const key of [deployKey(id), deployStateKey(id), deployOwnerKey(id)]) if (etcd.get(key) !== undefined) etcd.delete(key);
      time.after(random() * LONGEST_PAUSE_MS, anew, undefined);
  }
}

function stateOf({etcd}: Simulation, id: string): DeploymentState | undefined {
  const entry = etcd.get(deployStateKey(id));
  if (entry === undefined || entry.value.toString() === DAMAGE) return undefined;
  return parseDeploymentState(entry.value.toString(), entry.key);
}

function isOver(simulation: Simulation, id: string): boolean {
  if (simulation.etcd.get(deployKey(id)) === undefined) return simulation.etcd.get(deployStateKey(id)) === undefined;
  return ['FINISHED', 'FAILED'].includes(stateOf(simulation, id)?.status ?? '');
}

function isOwned({etcd}: Simulation, id: string): boolean {
  return etcd.get(deployOwnerKey(id)) !== undefined;
}
