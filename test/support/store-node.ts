import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {Log} from '../../src/lib/log.ts';
import {SCAN_INDEXES} from '../../src/model/scan-indexes.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import type {OpenMember} from '../../src/store/etcd-members.ts';
import type {EtcdEndpoints} from '../../src/store/grpc-member.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import type {EtcdStoreOptions} from '../../src/store/etcd-store.ts';
import {EtcdLeaseKeeper} from '../../src/store/lease-keeper.ts';
import {EtcdOwnership} from '../../src/store/ownership.ts';
import {WatchCache} from '../../src/store/watch-cache.ts';
import type {WatchTimings} from '../../src/store/watch-stream.ts';

export interface StoreNodeOptions extends EtcdEndpoints {
  readonly store?: EtcdStoreOptions;
  readonly timings?: Partial<WatchTimings>;
  readonly ttlSeconds?: number;
  readonly log?: Log;
  /** How its members are reached, where it is not over gRPC. */
  readonly open?: OpenMember | undefined;
}

/** The store side of one process: as `main.ts` wires it, without controllers and API. */
export interface StoreNode {
  readonly members: EtcdMembers;
  readonly store: EtcdStore;
  readonly cache: WatchCache;
  readonly lease: EtcdLeaseKeeper;
  readonly ownership: EtcdOwnership;
  /** Random id of this process. */
  readonly replica: string;
  /** Begins to watch, and waits until the cache is filled. */
  watch(): Promise<void>;
  /** Begins to keep a lease and to look after owner keys; resolves with the lease. */
  lead(): Promise<string>;
  /** Ends everything, revokes the lease last, closes the connections. */
  stop(): Promise<void>;
}

/** Wires up a store; nothing is sent before something is asked of it. */
export function storeNode(options: StoreNodeOptions): StoreNode {
  const {store: storeOptions, timings, ttlSeconds = 5, log = silentLog, open, ...endpoints} = options;
  const clock = systemClock;
  const members = new EtcdMembers(endpoints, 0, open);
  const store = new EtcdStore(members, storeOptions);
  const cache = new WatchCache({store, clock, log, indexes: SCAN_INDEXES, ...(timings === undefined ? {} : {timings})});
  const lease = new EtcdLeaseKeeper({members, clock, log, ttlSeconds});
  const replica = randomHex(8);
  const ownership = new EtcdOwnership({store, cache, lease, identity: {command: ['test'], hostname: 'here', pid: process.pid, replica}, clock, log});
  const stopped = new AbortController();
  const running: Promise<void>[] = [];
  return {
    ...{members, store, cache, lease, ownership, replica},
    watch: async () => {
      running.push(cache.run(stopped.signal));
      await cache.ready();
    },
    lead: async () => {
      running.push(ownership.run(stopped.signal), lease.run(stopped.signal));
      return lease.acquire(stopped.signal);
    },
    stop: async () => {
      stopped.abort();
      await Promise.all(running);
      members.close();
    },
  };
}
