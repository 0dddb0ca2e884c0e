import type {CallOptions, EtcdMember, KeepAliveStream, WatchStream} from '../../../src/store/etcd-member.ts';
import type {RangeResponse, TxnResponse} from '../../../src/store/wire/kv-messages.ts';
import type {WatchRequest, WatchResponse} from '../../../src/store/wire/watch-messages.ts';
import type {SimulatedLink} from './simulated-link.ts';
import {SimulatedStream} from './simulated-stream.ts';

type Header = Awaited<ReturnType<EtcdMember['kv']['compact']>>['header'];
type RenewRequest = Parameters<KeepAliveStream['write']>[0];

/** A member that is a model, over a link. */
export class SimulatedMember implements EtcdMember {
  readonly endpoint: string;
  readonly link: SimulatedLink;
  /** Whether anybody has wanted a connection yet. */
  #isWanted = false;

  constructor(endpoint: string, link: SimulatedLink) {
    this.endpoint = endpoint;
    this.link = link;
  }

  readonly kv: EtcdMember['kv'] = {
    put: ({key, value}, options) =>
      this.#call(options, () => {
        this.link.etcd.put(key?.toString() ?? '', value?.toString() ?? '');
        return {header: this.#header(), prev_kv: undefined as never};
      }),
    compact: ({revision}, options) =>
      this.#call(options, () => {
        this.link.etcd.compact(Number(revision));
        return {header: this.#header()};
      }),
  };

  readonly lease: EtcdMember['lease'] = {
    leaseGrant: ({TTL, ID = 0}, options) =>
      this.#call(options, () => {
        const {id, ttlSeconds} = this.link.etcd.grant(Number(TTL), String(ID));
        return {header: this.#header(), ID: id, TTL: String(ttlSeconds), error: ''};
      }),
    leaseRevoke: ({ID}, options) =>
      this.#call(options, () => {
        this.link.etcd.revoke(String(ID));
        return {header: this.#header()};
      }),
  };

  readonly maintenance: EtcdMember['maintenance'] = {
    status: (options) =>
      this.#call(options, () => {
        const {etcd} = this.link;
        const {dbSize, inUse} = etcd.sizes();
        const errors = etcd.hasNoSpaceAlarm ? ['memberID:1 alarm:NOSPACE '] : [];
        const raft = {leader: '1', raftIndex: '1', raftTerm: '1', raftAppliedIndex: '1', isLearner: false};
        return {header: this.#header(), version: etcd.version, dbSize: String(dbSize), dbSizeInUse: String(inUse), errors, ...raft};
      }),
    alarm: ({action}, options) =>
      this.#call(options, () => {
        const {etcd} = this.link;
        const alarms = etcd.hasNoSpaceAlarm ? [{memberID: '1', alarm: 'Nospace' as const}] : [];
        if (action === 'Deactivate') etcd.disarm();
        return {header: this.#header(), alarms};
      }),
    defragment: (options) =>
      this.#call(options, () => {
        this.link.etcd.defragment();
        return {header: this.#header()};
      }),
  };

  isConnected(): boolean {
    // As gRPC: who asks has it connect again.
    if (this.#isWanted && !this.link.isReady) void this.link.connect(0);
    return this.link.isReady;
  }

  connect(timeoutMs: number, isPatient?: boolean): Promise<boolean> {
    this.#isWanted = true;
    return this.link.connect(timeoutMs, isPatient);
  }

  range(request: Buffer, options: CallOptions): Promise<RangeResponse> {
    return this.#call(options, () => this.link.etcd.range(request));
  }

  txn(request: Buffer, options: CallOptions): Promise<TxnResponse> {
    return this.#call(options, () => this.link.etcd.txn(request));
  }

  watch(): Promise<WatchStream> {
    const {etcd} = this.link;
    const stream = new SimulatedStream<WatchRequest, WatchResponse>(this.link, (send) => {
      const session = etcd.openWatch(send);
      return {receive: (request) => session.receive(request), close: () => etcd.closeWatch(session)};
    });
    return Promise.resolve(stream as WatchStream);
  }

  keepAlive(): Promise<KeepAliveStream> {
    const {etcd} = this.link;
    const stream = new SimulatedStream<RenewRequest, unknown>(this.link, (send) => ({
      receive: ({ID}) => send({header: this.#header(), ID: String(ID), TTL: String(etcd.leases.renew(String(ID)))}),
      close: () => {},
    }));
    return Promise.resolve(stream as unknown as KeepAliveStream);
  }

  forgetToken(): void {
    // Nobody logs in.
  }

  async renew(): Promise<void> {}

  close(): void {
    this.link.cutAll();
  }

  #call<T>(options: CallOptions | undefined, serve: () => T): Promise<T> {
    return this.link.call(serve, options ?? {});
  }

  #header(): Header {
    return {cluster_id: '1', member_id: '1', revision: String(this.link.etcd.keys.revision), raft_term: '1'};
  }
}
