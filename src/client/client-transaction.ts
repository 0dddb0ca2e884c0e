import type {Clock} from '../lib/clock.ts';
import {LMC_CONTROLLER_KEY} from '../schema/keys.ts';
import {parseLmcController} from '../schema/subarray.ts';
import type {LmcController} from '../schema/subarray.ts';
import type {Store} from '../store/store.ts';
import {Transaction} from '../store/transaction.ts';
import {BlockOwnership} from './objects/block-ownership.ts';
import type {Claims} from './objects/block-ownership.ts';
import {Deployments} from './objects/deployments.ts';
import {ExecutionBlocks} from './objects/execution-blocks.ts';
import {ProcessingBlocks} from './objects/processing-blocks.ts';
import {Scripts} from './objects/scripts.ts';
import {StoredObject} from './objects/stored-object.ts';
import {Subarrays} from './objects/subarrays.ts';

/** One attempt of `db.transact`: keys as texts, and the objects that they hold. */
export class ClientTransaction extends Transaction {
  readonly executionBlocks: ExecutionBlocks;
  readonly processingBlocks: ProcessingBlocks;
  readonly scripts: Scripts;
  readonly deployments: Deployments;
  readonly subarrays: Subarrays;
  /** The one controller of the subarrays. */
  readonly lmcController: StoredObject<LmcController>;

  /** @internal Use `db.transact`. */
  constructor(store: Store, clock: Clock, claims: Claims, signal?: AbortSignal) {
    super(store, signal);
    this.executionBlocks = new ExecutionBlocks(this, clock);
    this.processingBlocks = new ProcessingBlocks(this, clock, new BlockOwnership(this, claims, clock));
    this.scripts = new Scripts(this);
    this.deployments = new Deployments(this);
    this.subarrays = new Subarrays(this, {clock, executionBlocks: this.executionBlocks, processingBlocks: this.processingBlocks});
    this.lmcController = new StoredObject(this, LMC_CONTROLLER_KEY, parseLmcController);
  }
}
