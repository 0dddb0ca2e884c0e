/**
 * The library for programs in TypeScript and JavaScript: what ska-sdp-config is for Python. See docs/library.md.
 *
 *     import {connect} from 'scanplane';
 */
export {connect} from './connect.ts';
export type {ConnectOptions, Environment} from './options.ts';
export type {ConfigDatabase} from './config-database.ts';
export type {ClientTransaction} from './client-transaction.ts';
export type {DeleteOptions, Reading} from './keys.ts';
export type {KeyChange, KeyWatch, KeyWatchOptions} from './key-watch.ts';
export type {Lease} from './lease.ts';
export type {Watcher, WatcherOptions} from './watcher.ts';
export type {Woken} from './change-watch.ts';
export type {ListOptions, LoopOptions, PutOptions, SeenEntry, Text} from '../store/transaction.ts';
export type {TransactOptions} from '../store/transact.ts';
export type {Levels} from '../store/paths.ts';
export type {LeaseId, Revision} from '../store/store.ts';
export {ControlPlaneError, hasCode} from '../lib/errors.ts';
export type {ErrorCode} from '../lib/errors.ts';
