import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {startEtcd} from '../../test/support/etcd.ts';
import type {TestEtcd} from '../../test/support/etcd.ts';
import {cpuSeconds} from '../lib/machine.ts';
import {startProcess} from '../lib/remote.ts';
import type {Family, Sample} from '../lib/row.ts';
import type {ChainReplica} from '../processes/chain-replica.ts';

/** Jobs of a chain whose cost per job is judged, and of the one that it is compared with. */
const LONG = 10_000;
const SHORT = 100;
const BETWEEN = 1000;

/** What a phase took. */
interface Cost {
  readonly bytes: number;
  readonly revisions: number;
  readonly controllers: number;
  readonly etcd: number;
}

const better = 'lower' as const;
const judged = 'median' as const;

/** C: what a job of a chain costs, by the length of the chain. */
export const chain: Family = {
  name: 'chain',
  rows: [
    {
      id: 'C1',
      title: 'processor time of controllers and etcd per job, chain of 10,000',
      against: 'chains of 100',
      unit: 'µs',
      better,
      pass: 1.2,
      judged,
    },
    {id: 'C2', title: 'bytes that etcd keeps per job, chain of 10,000', against: 'chains of 100', unit: 'B', better, pass: 1.2, judged},
    {id: 'C3', title: 'revisions per job, chain of 10,000', against: 'chains of 100', unit: '', better, pass: 1.2, judged},
    {id: 'C4', title: 'processor time of controllers and etcd per job, chain of 1,000', against: 'chains of 100', unit: 'µs', better, judged},
    {id: 'C5', title: 'bytes that etcd keeps per job, chain of 1,000', against: 'chains of 100', unit: 'B', better, judged},
    {id: 'C6', title: 'revisions per job, chain of 1,000', against: 'chains of 100', unit: '', better, judged},
  ],

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    // The same number of jobs on each side.
    const jobs = isQuick ? LONG / 2 : LONG;
    const etcd = await startEtcd({quotaBytes: 4 * 2 ** 30});
    const replica = await startProcess<ChainReplica>('chain-replica.ts', NODE_FLAGS);
    try {
      await replica.call.start({endpoint: etcd.endpoint});
      progress('warming up');
      await replica.call.run({requests: 20, jobs: SHORT});
      const measure = async (length: number): Promise<Cost> => {
        progress(`${jobs} jobs in chains of ${length}`);
        const requests = Math.max(1, Math.round(jobs / length));
        const before = await reading(etcd, replica.pid);
        await replica.call.run({requests, jobs: length});
        const after = await reading(etcd, replica.pid);
        const per = (name: keyof Cost): number => (after[name] - before[name]) / (requests * length);
        return {bytes: per('bytes'), revisions: per('revisions'), controllers: per('controllers'), etcd: per('etcd')};
      };
      // A B C B A: what drifts meets all alike.
      const short = [await measure(SHORT)];
      const between = [await measure(BETWEEN)];
      const long = [await measure(LONG)];
      if (!isQuick) {
        between.push(await measure(BETWEEN));
        short.push(await measure(SHORT));
      }
      const sample = (id: string, a: readonly Cost[], of: (cost: Cost) => number): Sample => ({
        ...{id, a: a.map(of), b: short.map(of)},
        cpu: {a: cpu(a), b: cpu(short)},
      });
      const time = (cost: Cost): number => (cost.controllers + cost.etcd) * 1e6;
      return [
        ...[sample('C1', long, time), sample('C2', long, (cost) => cost.bytes), sample('C3', long, (cost) => cost.revisions)],
        ...[sample('C4', between, time), sample('C5', between, (cost) => cost.bytes), sample('C6', between, (cost) => cost.revisions)],
      ];
    } finally {
      await replica.kill();
      await etcd.stop();
    }
  },
};

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
