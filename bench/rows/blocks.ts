import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {startEtcd} from '../../test/support/etcd.ts';
import type {TestEtcd} from '../../test/support/etcd.ts';
import {startProcess} from '../lib/remote.ts';
import type {Started} from '../lib/remote.ts';
import type {Family, Row, Sample} from '../lib/row.ts';
import {quantile} from '../lib/stats.ts';
import type {BlockReplica} from '../processes/block-replica.ts';

const MANY = 10_000;
const FEW = 100;
const EVERY_MS = 10;

const MEASURES = [
  {of: 'started', title: 'processing block put → STARTING'},
  {of: 'released', title: 'last dependency FINISHED → resources_available'},
] as const;
const QUANTILES = [
  {name: 'median', q: 0.5, pass: 1.2},
  {name: 'p99', q: 0.99},
] as const;
/** B1 and B2 are judged, B3 and B4 are not: a p99 is a few collections of garbage and commits that wait for the disk. */
const CELLS = QUANTILES.flatMap((quantileOf) => MEASURES.map((measure) => ({...quantileOf, ...measure})));

/** B: what the controllers take for one processing block, by how many others there are whose scripts run. */
export const blocks: Family = {
  name: 'blocks',
  rows: CELLS.map((cell, at): Row => ({
    id: `B${at + 1}`,
    title: `${cell.title}, ${cell.name}, beside ${MANY.toLocaleString('en')} others`,
    against: `beside ${FEW}`,
    unit: 'ms',
    better: 'lower',
    ...('pass' in cell ? {pass: cell.pass} : {}),
    judged: 'median',
  })),

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    const count = isQuick ? 60 : 200;
    const systems: System[] = [];
    try {
      for (const others of [MANY, FEW]) {
        progress(`${others} blocks begin`);
        systems.push(await begin(others));
      }
      const [many, few] = systems as [System, System];
      for (const {replica} of systems) await replica.call.measure({count: 30, everyMs: EVERY_MS}); // warm-up
      const phases: {readonly system: System; readonly times: Awaited<ReturnType<BlockReplica['measure']>>}[] = [];
      for (const system of [many, few, few, many]) {
        progress(`beside ${system === many ? MANY : FEW}, A B B A`);
        phases.push({system, times: await system.replica.call.measure({count, everyMs: EVERY_MS})});
      }
      const side = (system: System, cell: (typeof CELLS)[number]): number[] =>
        phases.filter((phase) => phase.system === system).map(({times}) => quantile(times[cell.of], cell.q));
      return CELLS.map((cell, at): Sample => ({id: `B${at + 1}`, a: side(many, cell), b: side(few, cell)}));
    } finally {
      for (const {replica, etcd} of systems) {
        await replica.kill();
        await etcd.stop();
      }
    }
  },
};

interface System {
  readonly etcd: TestEtcd;
  readonly replica: Started<BlockReplica>;
}

async function begin(others: number): Promise<System> {
  const etcd = await startEtcd({quotaBytes: 4 * 2 ** 30});
  const replica = await startProcess<BlockReplica>('block-replica.ts', NODE_FLAGS);
  try {
    await replica.call.start({endpoint: etcd.endpoint, others});
  } catch (err) {
    await replica.kill();
    await etcd.stop();
    throw err;
  }
  return {etcd, replica};
}
