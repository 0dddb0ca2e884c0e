import {startEtcd} from '../../test/support/etcd.ts';
import type {TestEtcd} from '../../test/support/etcd.ts';
import {startProcess} from './remote.ts';
import type {Started} from './remote.ts';
import type {RawEtcd} from '../processes/raw-etcd.ts';

/** A fresh etcd with fsync on, and a process of its own that speaks to it by etcd3 alone. */
export interface BenchEtcd {
  readonly etcd: TestEtcd;
  readonly raw: Started<RawEtcd>;
  stop(): Promise<void>;
}

export async function startBenchEtcd(): Promise<BenchEtcd> {
  const etcd = await startEtcd({quotaBytes: 4 * 2 ** 30});
  const raw = await startProcess<RawEtcd>('raw-etcd.ts');
  await raw.call.useEtcd(etcd.endpoint);
  return {
    etcd,
    raw,
    stop: async () => {
      await raw.kill();
      await etcd.stop();
    },
  };
}
