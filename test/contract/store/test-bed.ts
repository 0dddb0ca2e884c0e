import {within} from '../../../src/store/etcd-member.ts';
import {EtcdMembers} from '../../../src/store/etcd-members.ts';
import type {OpenMember} from '../../../src/store/etcd-members.ts';
import {EtcdStore} from '../../../src/store/etcd-store.ts';
import type {EtcdStoreOptions} from '../../../src/store/etcd-store.ts';
import {hasCode} from '../../../src/lib/errors.ts';
import type {KeyValue, LeaseId, Revision} from '../../../src/store/store.ts';
import {storeNode} from '../../support/store-node.ts';
import type {StoreNode, StoreNodeOptions} from '../../support/store-node.ts';
import type {TcpProxy} from '../../support/tcp-proxy.ts';

/** A client's own way to etcd, which misbehaves on command. */
export interface Way extends Pick<TcpProxy, 'endpoint' | 'accepted' | 'open' | 'set' | 'heal' | 'blackhole' | 'refuse' | 'loseReplies' | 'stop'> {
  cutAll(reset?: boolean): void;
  /** How the member at its end is reached, where it is not over gRPC. */
  readonly openMember?: OpenMember;
}

/** What the suite needs of an etcd, or of a model of one. It is empty when a test begins. */
export interface EtcdUnderTest {
  way(): Promise<Way>;
  /** kill -9; what was acknowledged is kept. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/** Runs `body` with an etcd, in the time in which that lives. */
export type WithEtcd = (body: (etcd: EtcdUnderTest) => Promise<void>) => Promise<void>;

/** A test of the suite. */
export type BedTest = (title: string, body: (bed: TestBed) => Promise<void>) => void;

/** Clients of one etcd, gone when the test is over; and what somebody else does there, as with etcdctl. */
export class TestBed {
  readonly etcd: EtcdUnderTest;
  /** A way that nobody disturbs. */
  readonly clear: Way;
  /** Somebody else's: without prefix, its way is clear. */
  readonly outside: EtcdStore;
  readonly #cleanups: (() => Promise<void> | void)[] = [];

  private constructor(etcd: EtcdUnderTest, clear: Way) {
    this.etcd = etcd;
    this.clear = clear;
    this.#cleanups.push(() => clear.stop());
    this.outside = this.store({}, clear);
  }

  static async open(etcd: EtcdUnderTest): Promise<TestBed> {
    return new TestBed(etcd, await etcd.way());
  }

  /** One more way: to be disturbed. */
  async way(): Promise<Way> {
    const way = await this.etcd.way();
    this.#cleanups.push(async () => {
      way.heal();
      way.cutAll();
      await way.stop();
    });
    return way;
  }

  /** Members as a client has them that knows these addresses. */
  members(...ways: readonly Way[]): EtcdMembers {
    const members = new EtcdMembers({endpoints: ways.map(({endpoint}) => endpoint)}, 0, openerOf(ways));
    this.#cleanups.push(() => members.close());
    return members;
  }

  store(options: EtcdStoreOptions = {}, ...ways: readonly Way[]): EtcdStore {
    return new EtcdStore(this.members(...(ways.length > 0 ? ways : [this.clear])), options);
  }

  /** The store side of one process. */
  node(options: Omit<StoreNodeOptions, 'endpoints'> = {}, way: Way = this.clear): StoreNode {
    const node = storeNode({ttlSeconds: 5, ...options, endpoints: [way.endpoint], open: openerOf([way])});
    let stopped: Promise<void> | undefined;
    // Also where the test has stopped it.
    const stop = (): Promise<void> => (stopped ??= node.stop());
    this.#cleanups.push(stop);
    return {...node, stop};
  }

  /** To be done when the test is over, before what was asked for earlier. */
  defer(cleanup: () => Promise<void> | void): void {
    this.#cleanups.push(cleanup);
  }

  async dispose(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  async get(key: string): Promise<KeyValue | undefined> {
    return this.outside.get(key);
  }

  async put(key: string, value: string | Uint8Array = 'x'): Promise<Revision> {
    return (await this.outside.commit({compares: [], ops: [{put: key, value}]})).revision;
  }

  async delete(key: string): Promise<void> {
    await this.outside.commit({compares: [], ops: [{delete: key}]});
  }

  async compact(revision: Revision): Promise<void> {
    await this.outside.members.preferred.kv.compact({revision, physical: true}, within(5000));
  }

  async revoke(lease: LeaseId): Promise<void> {
    await this.outside.members.preferred.lease.leaseRevoke({ID: lease}, within(5000));
  }

  async hasLease(lease: LeaseId): Promise<boolean> {
    try {
      await this.outside.commit({compares: [], ops: [{put: '~probe', value: '', lease}]});
    } catch (err) {
      if (hasCode(err, 'not_found')) return false;
      throw err;
    }
    await this.delete('~probe');
    return true;
  }
}

function openerOf(ways: readonly Way[]): OpenMember | undefined {
  if (ways[0]?.openMember === undefined) return undefined;
  return (endpoint, options) => {
    const open = ways.find((way) => way.endpoint === endpoint)?.openMember;
    if (open === undefined) throw new Error(`no way to ${endpoint}`);
    return open(endpoint, options);
  };
}
