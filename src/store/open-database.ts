import type {Log} from '../lib/log.ts';
import {BlobStore} from './blob-store.ts';
import type {Blobs} from './blobs.ts';
import type {GroupCommit} from './contracts.ts';
import {EtcdMembers} from './etcd-members.ts';
import type {EtcdEndpoints} from './etcd-members.ts';
import {EtcdStore} from './etcd-store.ts';
import {BatchingGroupCommit} from './group-commit.ts';
import {Space} from './space.ts';

export interface DatabaseOptions {
  readonly etcd: EtcdEndpoints;
  /** Put before every key. */
  readonly prefix: string;
  /** etcd's `--quota-backend-bytes`. */
  readonly quotaBytes?: number;
  /** Off where others share the etcd. */
  readonly isCompactionEnabled: boolean;
  readonly log: Log;
}

/** The configuration database and what works on it, connected to each other. */
export interface Database {
  readonly members: EtcdMembers;
  readonly store: EtcdStore;
  readonly groupCommit: GroupCommit;
  readonly blobs: Blobs;
  readonly space: Space;
  /** Ends the connections; calls under way fail. */
  close(): void;
}

/** Connects on first use: etcd need not be there yet. */
export function openDatabase(options: DatabaseOptions): Database {
  const {prefix, log, quotaBytes} = options;
  // Replicas spread over the members.
  const members = new EtcdMembers(options.etcd, Math.floor(Math.random() * options.etcd.endpoints.length));
  const space = new Space(members, {prefix, log, isEnabled: options.isCompactionEnabled, ...(quotaBytes === undefined ? {} : {quotaBytes})});
  const store = new EtcdStore(members, {prefix, onWrite: (bytes) => space.wrote(bytes)});
  return {members, store, space, groupCommit: new BatchingGroupCommit(store), blobs: new BlobStore(store, space), close: () => members.close()};
}
