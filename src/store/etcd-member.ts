import type {IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse, KVClient, LeaseClient, MaintenanceClient} from 'etcd3';
import type {Certificates} from './certificates.ts';
import type {RangeResponse, TxnResponse} from './wire/kv-messages.ts';
import type {WatchRequest, WatchResponse} from './wire/watch-messages.ts';

/** A watch stream. Listen to `error` before anything else: an error nobody listens to ends the process. */
export type WatchStream = IDuplexStream<WatchRequest, WatchResponse>;
/** A lease's keep-alive stream; as {@link WatchStream}. */
export type KeepAliveStream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/** When a call is given up, in milliseconds since 1970. @see within */
export type CallOptions = NonNullable<Parameters<KVClient['range']>[1]>;

/** `ms` from now, as a call's option. */
export function within(ms: number): CallOptions {
  return {deadline: Date.now() + ms};
}

/**
 * One etcd member. Every call needs a deadline ({@link within}), rejects with raw gRPC errors (see etcd-errors.ts) and is sent at most once, except
 * after a refused token. Calls that are many have methods of their own; for the others there are etcd3's generated clients.
 */
export interface EtcdMember {
  readonly endpoint: string;
  readonly kv: Pick<KVClient, 'put' | 'compact'>;
  readonly lease: Pick<LeaseClient, 'leaseGrant' | 'leaseRevoke'>;
  readonly maintenance: Pick<MaintenanceClient, 'status' | 'alarm' | 'defragment'>;
  /** Whether key requests can be sent now. Says nothing of a peer that vanished silently. */
  isConnected(): boolean;
  /** Resolves to whether key requests can be sent; `false` as soon as connecting has failed (or after `timeoutMs`). With `isPatient`, waits through failures. */
  connect(timeoutMs: number, isPatient?: boolean): Promise<boolean>;
  /** Reads keys; `request` is from `encodeRange`. */
  range(request: Buffer, options: CallOptions): Promise<RangeResponse>;
  /** Runs a transaction; `request` is from `encodeTxn`. */
  txn(request: Buffer, options: CallOptions): Promise<TxnResponse>;
  /** Opens a watch stream. It has no deadline: the caller looks for silence and cancels. */
  watch(): Promise<WatchStream>;
  /** Opens a keep-alive stream; as {@link watch}. */
  keepAlive(): Promise<KeepAliveStream>;
  /** The next call logs in again: for streams, which learn only from a cancel reason that their token has expired. */
  forgetToken(): void;
  /** Speaks by these certificates from now on. @throws what the member says when it does not take them; those before stay then */
  renew(certificates: Certificates): Promise<void>;
  close(): void;
}
