import {systemClock} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {silentLog} from '../lib/log.ts';
import type {Log} from '../lib/log.ts';
import {SCAN_INDEXES} from '../model/scan-indexes.ts';
import {randomHex} from '../schema/ids.ts';
import {META_KEY} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import {SCHEMA_VERSION, parseMeta} from '../schema/replica.ts';
import type {Meta} from '../schema/replica.ts';
import {BlobStore} from './blob-store.ts';
import {keepCertificates, readCertificates} from './certificates.ts';
import type {CertificateFiles} from './certificates.ts';
import {EtcdMembers} from './etcd-members.ts';
import {EtcdStore} from './etcd-store.ts';
import {BatchingGroupCommit} from './group-commit.ts';
import {Space} from './space.ts';
import type {Store} from './store.ts';
import {WatchCache} from './watch-cache.ts';

/** How to reach the database, as etcdctl takes it; certificates are file names. */
export interface DatabaseOptions extends CertificateFiles {
  readonly endpoints: readonly string[];
  /** Before every key; empty or starting with `/`. */
  readonly prefix: string;
  readonly user?: string;
  readonly password?: string;
  /** etcd's `--quota-backend-bytes`. */
  readonly quotaBytes?: number;
  /** Off where others share the etcd and compact it. */
  readonly compaction?: boolean;
}

/** Everything that one process has of the database. */
export interface Database {
  readonly members: EtcdMembers;
  readonly store: EtcdStore;
  readonly cache: WatchCache;
  readonly groupCommit: BatchingGroupCommit;
  readonly blobs: BlobStore;
  readonly space: Space;
}

/** Wires the store together; nothing is sent before something is asked of it. The caller runs the cache and closes the members. */
export function openDatabase(options: DatabaseOptions, log: Log, clock: Clock = systemClock, members = openMembers(options, log)): Database {
  const space = new Space(members, {
    ...{log, clock, prefix: options.prefix, isEnabled: options.compaction ?? true},
    ...(options.quotaBytes === undefined ? {} : {quotaBytes: options.quotaBytes}),
  });
  const store = new EtcdStore(members, {prefix: options.prefix, clock, onWrite: (bytes) => space.wrote(bytes)});
  const cache = new WatchCache({store, clock, log, indexes: SCAN_INDEXES});
  return {members, store, cache, groupCommit: new BatchingGroupCommit(store), blobs: new BlobStore(store, space), space};
}

/** A database to look at: its cache is running and ready. Closed when `signal` aborts. @throws ControlPlaneError `unavailable` after 20 s. */
export async function watchOnly(options: DatabaseOptions, signal: AbortSignal): Promise<Database> {
  const database = openDatabase({...options, compaction: false}, silentLog);
  void database.cache.run(signal).finally(() => database.members.close());
  await database.cache.ready(AbortSignal.any([signal, AbortSignal.timeout(20_000)]));
  return database;
}

/** Makes sure that the database knows which one it is. @throws ControlPlaneError `unsupported`: it was written by a newer version. */
export async function ensureMeta(store: Store): Promise<Meta> {
  const fresh: Meta = {cluster_id: randomHex(16), epoch: 1, schema_version: SCHEMA_VERSION};
  const present = await store.get(META_KEY);
  if (present === undefined) {
    await store.commit({compares: [{key: META_KEY, createRevision: 0}], ops: [putJson(META_KEY, fresh)]});
  }
  const stored = await store.get(META_KEY);
  if (stored === undefined) throw new ControlPlaneError('unavailable', `${META_KEY} was removed while we started`, {key: META_KEY});
  const meta = parseMeta(stored.value.toString(), META_KEY);
  if (meta.schema_version > SCHEMA_VERSION) {
    throw new ControlPlaneError('unsupported', `the database has schema version ${meta.schema_version}, this program knows ${SCHEMA_VERSION}`, {
      key: META_KEY,
    });
  }
  return meta;
}

/** The members of an etcd, spoken to by the certificates that are in the files, also when these are replaced. @throws ControlPlaneError `invalid`: a file of no use */
export function openMembers(options: DatabaseOptions, log: Log): EtcdMembers {
  const {endpoints, user, password} = options;
  const login = {...(user === undefined ? {} : {user}), ...(password === undefined ? {} : {password})};
  const members = new EtcdMembers({endpoints, ...login, ...readCertificates(options)}, process.pid);
  keepCertificates(members, options, log);
  return members;
}
