import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {startEtcd} from '../../test/support/etcd.ts';
import type {TestEtcd} from '../../test/support/etcd.ts';
import {cpuSeconds} from '../lib/machine.ts';
import {startProcess} from '../lib/remote.ts';
import type {Family, Row, Sample} from '../lib/row.ts';
import type {ChainReplica} from '../processes/chain-replica.ts';

/** Jobs of the chain whose cost per job is judged, of one between, and of those that both are compared with. */
const LONG = 10_000;
const BETWEEN = 1000;
const SHORT = 100;

/** What a job costs on the average. */
interface Cost {
  readonly bytes: number;
  readonly revisions: number;
  /** Processor seconds. */
  readonly controllers: number;
  readonly etcd: number;
}

/** Jobs in layers of ten share transactions; in a line each has its own. */
const SHAPES = [
  {name: 'in layers of 10', width: 10},
  {name: 'in a line', width: 1},
] as const;

const MEASURES = [
  {title: 'processor time of controllers and etcd', unit: 'µs', of: (cost: Cost): number => (cost.controllers + cost.etcd) * 1e6},
  {title: 'bytes that etcd keeps', unit: 'B', of: (cost: Cost): number => cost.bytes},
  {title: 'revisions', unit: '', of: (cost: Cost): number => cost.revisions},
] as const;

/** C1 to C6: 10,000 jobs; C7 to C12: 1,000, which is not judged. For each, the shapes; for each of those, the measures. */
const CELLS = [LONG, BETWEEN].flatMap((length) => SHAPES.flatMap((shape) => MEASURES.map((measure) => ({length, shape, measure}))));

/** C: what a job of a chain costs, by the length of the chain. */
export const chain: Family = {
  name: 'chain',
  rows: CELLS.map(({length, shape, measure}, at): Row => ({
    id: `C${at + 1}`,
    title: `${measure.title} per job, ${length.toLocaleString('en')} jobs ${shape.name}`,
    against: `chains of ${SHORT}`,
    unit: measure.unit,
    better: 'lower',
    ...(length === LONG ? {pass: 1.2} : {}),
    judged: 'median',
  })),

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    const etcd = await startEtcd({quotaBytes: 4 * 2 ** 30});
    const replica = await startProcess<ChainReplica>('chain-replica.ts', NODE_FLAGS);
    try {
      await replica.call.start({endpoint: etcd.endpoint});
      progress('warming up');
      for (const {width} of SHAPES) await replica.call.run({requests: 10, jobs: SHORT, width});
      const costs = new Map<string, Cost[]>();
      for (const shape of SHAPES) {
        // The same number of jobs each time; what drifts meets all alike.
        for (const length of isQuick ? [SHORT, BETWEEN, LONG] : [SHORT, BETWEEN, LONG, BETWEEN, SHORT]) {
          progress(`${LONG} jobs ${shape.name}, in chains of ${length}`);
          const cost = await measure(etcd, replica.pid, length, () => replica.call.run({requests: LONG / length, jobs: length, width: shape.width}));
          const key = `${shape.name} ${length}`;
          costs.set(key, [...(costs.get(key) ?? []), cost]);
        }
      }
      return CELLS.map(({length, shape, measure: {of}}, at): Sample => {
        const [a, b] = [costs.get(`${shape.name} ${length}`) ?? [], costs.get(`${shape.name} ${SHORT}`) ?? []];
        return {id: `C${at + 1}`, a: a.map(of), b: b.map(of), cpu: {a: cpu(a), b: cpu(b)}};
      });
    } finally {
      await replica.kill();
      await etcd.stop();
    }
  },
};

async function measure(etcd: TestEtcd, pid: number, length: number, run: () => Promise<unknown>): Promise<Cost> {
  const before = await reading(etcd, pid);
  await run();
  const after = await reading(etcd, pid);
  const per = (name: keyof Cost): number => (after[name] - before[name]) / (Math.round(LONG / length) * length);
  return {bytes: per('bytes'), revisions: per('revisions'), controllers: per('controllers'), etcd: per('etcd')};
}

/** Processor microseconds per job of each process. */
function cpu(costs: readonly Cost[]): Readonly<Record<string, number>> {
  const mean = (of: (cost: Cost) => number): number => (costs.reduce((sum, cost) => sum + of(cost), 0) / costs.length) * 1e6;
  return {controllers: mean((cost) => cost.controllers), etcd: mean((cost) => cost.etcd)};
}

async function reading(etcd: TestEtcd, pid: number): Promise<Cost> {
  const text = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  const metric = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  return {
    bytes: metric('etcd_mvcc_db_total_size_in_use_in_bytes'),
    revisions: metric('etcd_debugging_mvcc_current_revision'),
    controllers: cpuSeconds(pid),
    etcd: cpuSeconds(etcd.pid),
  };
}
