import {AuthClient, KVClient, LeaseClient, MaintenanceClient} from 'etcd3';
import type {ICallable, IOptions} from 'etcd3';
import {ConnectionPool} from 'etcd3/lib/connection-pool.js';
import {must} from '../lib/assert.ts';
import type {Certificates} from './certificates.ts';
import {LoginError, grpcFailure, isAuthExpired, isMemberFailure} from './etcd-errors.ts';
import {within} from './etcd-member.ts';
import type {CallOptions, EtcdMember, KeepAliveStream, WatchStream} from './etcd-member.ts';
import {decodeRange, decodeTxn} from './wire/kv-messages.ts';
import type {RangeResponse, TxnResponse} from './wire/kv-messages.ts';
import {decodeWatch, encodeWatch} from './wire/watch-messages.ts';

/** How to reach an etcd, as etcdctl takes it. */
export interface EtcdEndpoints extends Certificates {
  /** `http://host:port`, `https://host:port`, or `host:port` (TLS if certificates are given). */
  readonly endpoints: readonly string[];
  /** The name that the server's certificate has to carry, where it is not the endpoint's host. */
  readonly serverName?: string;
  readonly user?: string;
  readonly password?: string;
}

type Service = Parameters<ICallable<unknown>['withConnection']>[0];
type Connection = Parameters<Parameters<ConnectionPool['withConnection']>[1]>[0];
type Client = Connection['client'];
type Metadata = Connection['metadata'];
type GeneratedMethod = (payload: unknown, metadata: Metadata, options: CallOptions, done: (err: Error | null, result: unknown) => void) => void;

/** A method of etcd's whose messages we encode and decode ourselves, since they are many. */
interface Method<T> {
  readonly path: string;
  readonly decode: (bytes: Buffer) => T;
}

const RANGE: Method<RangeResponse> = {path: '/etcdserverpb.KV/Range', decode: decodeRange};
const TXN: Method<TxnResponse> = {path: '/etcdserverpb.KV/Txn', decode: decodeTxn};
const WATCH_PATH = '/etcdserverpb.Watch/Watch';

/** `grpc.connectivityState` */
const READY = 2;
const TRANSIENT_FAILURE = 3;
const SHUTDOWN = 4;

const LOGIN_TIMEOUT_MS = 2000;
/** How long a member may take to answer by new certificates. */
const TRY_MS = 5000;
/** How long calls that are under way may take on connections that are replaced. */
const DRAIN_MS = 60_000;

const CHANNEL_OPTIONS = {
  // A page of values is larger than gRPC's 4 MiB, and a catch-up watch response too.
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // etcd closes connections that ping more often than every 5 s, or without a call under way.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.dns_min_time_between_resolutions_ms': 1000,
  'grpc.service_config_disable_resolution': 1,
  // As etcdctl: a web proxy in the environment is not meant for the database.
  'grpc.enable_http_proxy': 0,
  // One connection per service, so that large reads and writes never delay watch events and lease renewals.
  'grpc.use_local_subchannel_pool': 1,
};

/** etcd3's policies count refused writes as failures of the host and retry writes; ours are in the callers. This one does nothing. */
const NO_POLICY = {execute: async (fn: () => unknown) => fn()} as unknown as NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/**
 * Carries calls to one member: raw gRPC errors, no retry, no circuit breaker, own tokens.
 *
 * Every call demands a leader (`hasleader`): a member without one refuses it at once, and ends its streams after three election timeouts.
 */
class Carrier implements ICallable<unknown> {
  readonly callOptionsFactory = undefined;
  #pool: ConnectionPool;
  /** Pools that were replaced and are still in use. */
  readonly #draining = new Map<ConnectionPool, NodeJS.Timeout>();
  readonly #clients = new Map<Service, Client>();
  readonly #credentials: {readonly name: string; readonly password: string} | undefined;
  #isClosed = false;
  #anonymous: Metadata | undefined;
  #login: Promise<Metadata> | undefined;

  constructor(pool: ConnectionPool, credentials: {readonly name: string; readonly password: string} | undefined) {
    this.#pool = pool;
    this.#credentials = credentials;
  }

  exec<T>(service: Service, method: string, payload: unknown, options?: CallOptions): Promise<T> {
    return this.#send(service, (client, metadata) => call<T>(client, method, payload, metadata, options ?? {}));
  }

  /** A call to the KV service with a message that is encoded already. */
  request<T>(method: Method<T>, message: Buffer, options: CallOptions): Promise<T> {
    return this.#send('KV', (client, metadata) => callEncoded(client, method, message, metadata, options));
  }

  async withConnection<R>(service: Service, fn: (args: {resource: unknown; client: Client; metadata: Metadata}) => Promise<R> | R): Promise<R> {
    const client = await this.client(service);
    return fn({resource: this, client, metadata: await this.#token()});
  }

  markFailed(): void {
    // etcd3 would tear down every service of the host, other callers' included.
  }

  /** The gRPC client of one service. */
  async client(service: Service): Promise<Client> {
    const known = this.#clients.get(service);
    if (known !== undefined) return known;
    const {client, metadata} = await this.#pool.withConnection(service, (connection) => connection);
    metadata.set('hasleader', 'true');
    this.#anonymous ??= metadata;
    this.#clients.set(service, client);
    return client;
  }

  forgetToken(): void {
    this.#login = undefined;
  }

  /** From now on calls go over this pool; those that are under way end where they are, streams begin again after {@link DRAIN_MS}. */
  replacePool(pool: ConnectionPool): void {
    if (this.#isClosed) return pool.close();
    const old = this.#pool;
    this.#pool = pool;
    this.#clients.clear();
    const end = (): void => {
      this.#draining.delete(old);
      old.close();
    };
    this.#draining.set(old, setTimeout(end, DRAIN_MS).unref());
  }

  close(): void {
    this.#isClosed = true;
    for (const [pool, timer] of this.#draining) {
      clearTimeout(timer);
      pool.close();
    }
    this.#draining.clear();
    this.#pool.close();
  }

  async #send<T>(service: Service, send: (client: Client, metadata: Metadata) => Promise<T>): Promise<T> {
    const client = this.#clients.get(service) ?? (await this.client(service));
    if (this.#credentials === undefined) return send(client, must(this.#anonymous, 'connected'));
    const login = this.#token();
    try {
      return await send(client, await login);
    } catch (err) {
      if (!isAuthExpired(err)) throw err;
      // etcd refused the token before it looked at the request, so even a write may be sent again. Once: a fresh token that is refused is an answer.
      if (this.#login === login) this.#login = undefined;
      return send(client, await this.#token());
    }
  }

  /** Metadata with a token; one login at a time. A login that fails is forgotten, so that the next call tries again. */
  #token(): Promise<Metadata> {
    const credentials = this.#credentials;
    if (this.#login !== undefined) return this.#login;
    const login = credentials === undefined ? Promise.resolve(must(this.#anonymous, 'connected')) : this.#authenticate(credentials);
    this.#login = login;
    login.catch(() => {
      if (this.#login === login) this.#login = undefined;
    });
    return login;
  }

  async #authenticate(credentials: {readonly name: string; readonly password: string}): Promise<Metadata> {
    const client = await this.client('Auth');
    const anonymous = must(this.#anonymous, 'connected');
    try {
      const {token} = await call<{token: string}>(client, 'authenticate', credentials, anonymous, within(LOGIN_TIMEOUT_MS));
      const metadata = anonymous.clone();
      metadata.set('token', token);
      return metadata;
    } catch (err) {
      // As etcdctl: credentials for an etcd that has authentication switched off are not an error.
      if (grpcFailure(err).details.includes('authentication is not enabled')) return anonymous;
      throw new LoginError(err);
    }
  }
}

function call<T>(client: Client, method: string, payload: unknown, metadata: Metadata, options: CallOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const methods = client as unknown as Record<string, GeneratedMethod>;
    // Bound to the client: a generated method looks at `this`.
    methods[method]!(payload, metadata, options, (err, result) => {
      if (err === null || err === undefined) resolve(result as T);
      else reject(err);
    });
  });
}

function callEncoded<T>(client: Client, {path, decode}: Method<T>, message: Buffer, metadata: Metadata, options: CallOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, asItIs, decode, message, metadata, options, (err, result) => {
      if (err === null) resolve(result as T);
      else reject(err);
    });
  });
}

function asItIs(message: Buffer): Buffer {
  return message;
}

/** A member that is reached over gRPC. */
export class GrpcMember implements EtcdMember {
  readonly endpoint: string;
  readonly kv: Pick<KVClient, 'put' | 'compact'>;
  readonly lease: LeaseClient;
  readonly maintenance: MaintenanceClient;
  readonly auth: AuthClient;
  readonly #carrier: Carrier;
  readonly #options: EtcdEndpoints;
  #kvChannel: Client | undefined;

  constructor(endpoint: string, options: EtcdEndpoints) {
    this.#options = options;
    const carrier = new Carrier(openPool(endpoint, options), loginOf(options));
    this.endpoint = endpoint;
    this.#carrier = carrier;
    this.kv = new KVClient(carrier);
    this.lease = new LeaseClient(carrier);
    this.maintenance = new MaintenanceClient(carrier);
    this.auth = new AuthClient(carrier);
  }

  isConnected(): boolean {
    return this.#kvChannel !== undefined && this.#kvChannel.getChannel().getConnectivityState(true) === READY;
  }

  async connect(timeoutMs: number, isPatient = false): Promise<boolean> {
    this.#kvChannel ??= await this.#carrier.client('KV');
    const channel = this.#kvChannel.getChannel();
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === READY) return true;
      if (state === SHUTDOWN || (state === TRANSIENT_FAILURE && !isPatient) || Date.now() >= deadline) return false;
      // Called back with an error at the deadline, without one at a change; the loop looks for itself.
      await new Promise<void>((resolve) => channel.watchConnectivityState(state, deadline, () => resolve()));
    }
  }

  range(request: Buffer, options: CallOptions): Promise<RangeResponse> {
    return this.#carrier.request(RANGE, request, options);
  }

  txn(request: Buffer, options: CallOptions): Promise<TxnResponse> {
    return this.#carrier.request(TXN, request, options);
  }

  watch(): Promise<WatchStream> {
    return this.#carrier.withConnection(
      'Watch',
      ({client, metadata}) => client.makeBidiStreamRequest(WATCH_PATH, encodeWatch, decodeWatch, metadata, {}) as WatchStream,
    );
  }

  keepAlive(): Promise<KeepAliveStream> {
    return this.lease.leaseKeepAlive({});
  }

  forgetToken(): void {
    this.#carrier.forgetToken();
  }

  async renew(certificates: Certificates): Promise<void> {
    const pool = openPool(this.endpoint, {...this.#options, ...certificates});
    try {
      // Where nothing works as it is there is nothing to lose.
      if (this.isConnected()) await answersBy(pool);
      const {client} = await pool.withConnection('KV', (connection) => connection);
      this.#carrier.replacePool(pool);
      this.#kvChannel = client;
    } catch (err) {
      pool.close();
      throw err;
    }
  }

  close(): void {
    this.#carrier.close();
  }
}

/** Asks something that needs no permission. A handshake alone says nothing: a server looks at its client's certificate after that. */
async function answersBy(pool: ConnectionPool): Promise<void> {
  try {
    await new MaintenanceClient(new Carrier(pool, undefined)).status(within(TRY_MS));
  } catch (err) {
    if (isMemberFailure(err)) throw err;
  }
}

function openPool(endpoint: string, options: EtcdEndpoints): ConnectionPool {
  const hasScheme = /^https?:\/\//.test(endpoint);
  const isSecure = hasScheme ? endpoint.startsWith('https:') : options.ca !== undefined || options.cert !== undefined;
  const credentials = {
    ...(options.ca === undefined ? {} : {rootCertificate: options.ca}),
    ...(options.key === undefined ? {} : {privateKey: options.key}),
    ...(options.cert === undefined ? {} : {certChain: options.cert}),
  } as NonNullable<IOptions['credentials']>;
  const grpcOptions = {...CHANNEL_OPTIONS, ...(options.serverName === undefined ? {} : {'grpc.ssl_target_name_override': options.serverName})};
  return new ConnectionPool({
    hosts: endpoint,
    grpcOptions,
    faultHandling: {host: () => NO_POLICY, global: NO_POLICY},
    ...(isSecure ? {credentials} : {}),
  });
}

function loginOf(options: EtcdEndpoints): {readonly name: string; readonly password: string} | undefined {
  if (options.user === undefined || options.user === '') return undefined;
  // etcdctl takes `--user name:password` too.
  const colon = options.user.indexOf(':');
  if (options.password === undefined && colon > 0) return {name: options.user.slice(0, colon), password: options.user.slice(colon + 1)};
  return {name: options.user, password: options.password ?? ''};
}
