import type {ClientTransaction, ConfigDatabase, PbState} from '../../../src/client/index.ts';
import {isPbOver} from '../../../src/schema/processing-block.ts';
import {sleep} from '../../../src/lib/sleep.ts';
import type {Run} from './running-try.ts';
import type {Simulation} from './simulation.ts';

/** What a processing script does, each time that it is started. */
export interface ScriptPlan {
  /** `vanish`: it exits with 0 and says nothing. `crash`: it exits with 1 before it has claimed its block. */
  readonly outcome: 'FINISHED' | 'FAILED' | 'vanish' | 'crash';
  readonly workMs: number;
  /** Seconds that its claim outlives it. */
  readonly ttlSeconds: number;
}

/** It need not, or may not, go on. */
class Over extends Error {}

/** A processing script on the simulated host: the library, in a process of its own that dies with the run. */
export function runScript(simulation: Simulation, run: Run, pbId: string, plan: ScriptPlan): void {
  const process = simulation.time.spawn(run.name);
  run.onEnd(() => process.kill());
  run.onStop(() => run.exit(143));
  const play = async (): Promise<number> => {
    if (plan.outcome === 'crash') {
      await sleep(plan.workMs);
      return 1;
    }
    const db = simulation.library(process, plan.ttlSeconds);
    try {
      await work(db, pbId, plan);
      return 0;
    } catch (err) {
      return err instanceof Over ? 0 : 1;
    } finally {
      await db.close();
    }
  };
  void process.run(play).then((code) => run.exit(code));
}

async function work(db: ConfigDatabase, id: string, {outcome, workMs}: ScriptPlan): Promise<void> {
  const lease = await db.clientLease();
  const lost = new AbortController();
  lease.onLost(() => lost.abort(new Error('lost ownership')));
  await db.transact(async (tx) => {
    const state = await tx.processingBlocks.state(id).get();
    if (state === undefined || isPbOver(state.status)) throw new Over();
    if ((await tx.processingBlocks.getOwner(id)) !== undefined) return tx.loop({wait: true, timeoutMs: 500});
    return tx.processingBlocks.take(id, lease);
  });
  await db.transact(async (tx) => write(tx, id, await owned(tx, id), {status: 'WAITING'}));
  await db.transact(async (tx) => {
    const state = await owned(tx, id);
    if (state.resources_available !== true) return tx.loop({wait: true});
    return write(tx, id, state, {status: 'RUNNING'});
  });
  await sleep(workMs, lost.signal);
  lost.signal.throwIfAborted();
  if (outcome === 'FINISHED') await db.transact(async (tx) => write(tx, id, await owned(tx, id), {status: 'FINISHED'}));
  if (outcome === 'FAILED') await db.transact(async (tx) => write(tx, id, await owned(tx, id), {status: 'FAILED', reason: 'the script says so'}));
}

/** @throws Over; Error: somebody else owns it */
async function owned({processingBlocks}: ClientTransaction, id: string): Promise<PbState> {
  const state = await processingBlocks.state(id).get();
  if (state === undefined || isPbOver(state.status)) throw new Over();
  if (!(await processingBlocks.isOwner(id))) throw new Error('lost ownership');
  return state;
}

async function write({processingBlocks}: ClientTransaction, id: string, before: PbState, members: Partial<PbState>): Promise<void> {
  await processingBlocks.state(id).update({...before, ...members});
}
