/**
 * The library for programs in TypeScript and JavaScript: what ska-sdp-config is for Python. See docs/library.md.
 *
 *     import {connect} from 'scanplane';
 */
export {connect} from './connect.ts';
export type {ConnectOptions, Environment} from './options.ts';
export type {ConfigDatabase} from './config-database.ts';
export type {ClientTransaction} from './client-transaction.ts';
export type {Found} from './objects/collection.ts';
export type {PbInput} from './objects/processing-blocks.ts';
export type {ScriptName} from './objects/scripts.ts';
export type {Input, StoredObject} from './objects/stored-object.ts';
export {SUBARRAY_COMMANDS} from '../model/subarray-commands.ts';
export type {SubarrayCommand} from '../model/subarray-commands.ts';
export type {DeleteOptions, KeyText, Reading} from './keys.ts';
export type {KeyChange, KeyWatch, KeyWatchOptions} from './key-watch.ts';
export type {Lease} from './lease.ts';
export type {Watcher, WatcherOptions} from './watcher.ts';
export type {Woken} from './change-watch.ts';
export type {ListOptions, LoopOptions, SeenEntry} from '../store/transaction.ts';
export type {PutOptions, Text} from '../store/put-options.ts';
export type {TransactOptions} from '../store/transact.ts';
export type {Levels} from '../store/paths.ts';
export type {LeaseId, Revision} from '../store/store.ts';
export {ControlPlaneError, hasCode} from '../lib/errors.ts';
export type {ErrorCode} from '../lib/errors.ts';
export {canonicalJson} from '../lib/canonical-json.ts';
export {blockTime} from '../schema/block-ids.ts';
export type {ScriptId} from '../schema/block-ids.ts';
export type {Deployment, DeploymentState} from '../schema/deployment.ts';
export type {EbState, ExecutionBlock} from '../schema/execution-block.ts';
export type {Owner} from '../schema/owner.ts';
export type {PbState, PbStatus, ProcessingBlock} from '../schema/processing-block.ts';
export type {Script} from '../schema/script.ts';
export type {LmcController, Subarray} from '../schema/subarray.ts';
