import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {ruleFor, shownObsState} from '../../model/subarray-commands.ts';
import type {SubarrayCommand} from '../../model/subarray-commands.ts';
import {SUBARRAY_ID, blockTime} from '../../schema/block-ids.ts';
import type {ExecutionBlock, ObsState} from '../../schema/execution-block.ts';
import {subarrayKey} from '../../schema/keys.ts';
import {REALTIME} from '../../schema/processing-block.ts';
import {assignedResources, configuration, scanId} from '../../schema/subarray-arguments.ts';
import {NEW_SUBARRAY, parseSubarray} from '../../schema/subarray.ts';
import type {Subarray} from '../../schema/subarray.ts';
import type {Transaction} from '../../store/transaction.ts';
import {Collection} from './collection.ts';
import type {ExecutionBlocks} from './execution-blocks.ts';
import type {ProcessingBlocks} from './processing-blocks.ts';
import type {Input} from './stored-object.ts';

const KIND = {what: 'subarray', root: subarrayKey(''), isId: (text: string) => SUBARRAY_ID.test(text), parse: parseSubarray};

/** What a command changes in an execution block. */
type EbChange = Partial<Pick<ExecutionBlock, 'status' | 'scan_types' | 'current_scan_type' | 'scan_id' | 'subarray_id'>>;

export interface SubarraysDeps {
  readonly clock: Clock;
  readonly executionBlocks: ExecutionBlocks;
  readonly processingBlocks: ProcessingBlocks;
}

/** `/lmc/subarray/[NN]`, by their two digits, and what their commands do. */
export class Subarrays extends Collection<Subarray> {
  readonly #deps: SubarraysDeps;

  /** @internal */
  constructor(tx: Transaction, deps: SubarraysDeps) {
    super(tx, KIND);
    this.#deps = deps;
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).create(subarray);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `not_found` */
  async update(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).update(subarray);
  }

  async createOrUpdate(id: string, subarray: Input<Subarray>): Promise<void> {
    await this.object(id).createOrUpdate(subarray);
  }

  /** The obsState that a subarray shows, which is its target, or `RESOURCING` while receive addresses are awaited. */
  async obsState(id: string): Promise<ObsState> {
    const {subarray, block} = await this.#present(id);
    return shownObsState(subarray, block);
  }

  /**
   * Runs one command of a subarray, with all that it does to its execution block and processing blocks. A subarray that has no key yet is OFF and EMPTY.
   *
   * @param argument of AssignResources, Configure and Scan: JSON text, or the object
   * @throws ControlPlaneError `wrong_state`: not allowed now; `invalid`: the argument, with the field; `already_exists`: a block of that id is there. What
   *   throws is to end the transaction: then nothing is written.
   */
  async command(id: string, command: SubarrayCommand, argument?: unknown, options: {readonly transactionId?: string} = {}): Promise<void> {
    const {subarray, block} = await this.#present(id);
    const rule = ruleFor(command, subarray, shownObsState(subarray, block));
    const ebId = command === 'AssignResources' ? await this.#assign(id, argument) : subarray.eb_id;
    const change = rule.ends === undefined ? changeOf(command, argument, block) : {status: rule.ends, ...UNLINKED};
    if (change !== undefined && block !== undefined) {
      await this.#deps.executionBlocks.update({...block, ...change, last_updated: blockTime(this.#deps.clock.now())});
    }
    await this.object(id).createOrUpdate({
      ...subarray,
      state: command === 'On' ? 'ON' : command === 'Off' ? 'OFF' : subarray.state,
      obs_state_target: rule.target,
      eb_id: rule.ends === undefined ? ebId : null,
      last_command: command,
      ...(options.transactionId === undefined ? {} : {transaction_id: options.transactionId}),
    });
  }

  async #present(id: string): Promise<{readonly subarray: Subarray; readonly block: ExecutionBlock | undefined}> {
    const subarray = (await this.get(id)) ?? NEW_SUBARRAY;
    return {subarray, block: subarray.eb_id === null ? undefined : await this.#deps.executionBlocks.get(subarray.eb_id)};
  }

  /** The execution block and all its processing blocks. Dependencies are for batch blocks; those of others are left out. */
  async #assign(subarrayId: string, argument: unknown): Promise<string> {
    const {block, processingBlocks} = assignedResources(argument);
    const idsOf = (kind: string): string[] => processingBlocks.filter(({script}) => script.kind === kind).map(({pb_id}) => pb_id);
    await this.#deps.executionBlocks.create({
      ...block,
      pb_realtime: idsOf(REALTIME),
      pb_batch: idsOf('batch'),
      pb_receive_addresses: null,
      current_scan_type: null,
      scan_id: null,
      subarray_id: subarrayId,
      status: 'ACTIVE',
      last_updated: blockTime(this.#deps.clock.now()),
    });
    for (const one of processingBlocks) {
      const {dependencies, ...rest} = one;
      await this.#deps.processingBlocks.create({...rest, eb_id: block.eb_id, dependencies: one.script.kind === REALTIME ? [] : dependencies});
    }
    return block.eb_id;
  }
}

const UNLINKED = {current_scan_type: null, scan_id: null, subarray_id: null} as const;

/** What a command that does not end the block changes in it; `undefined`: nothing. */
function changeOf(command: SubarrayCommand, argument: unknown, block: ExecutionBlock | undefined): EbChange | undefined {
  switch (command) {
    case 'Configure':
      return configured(argument, block);
    case 'Scan': {
      const change = {scan_id: scanId(argument)};
      linked(command, block);
      return change;
    }
    case 'EndScan':
      return {scan_id: null};
    case 'End':
      return {current_scan_type: null};
    case 'ObsReset':
      return {current_scan_type: null, scan_id: null};
    case 'On':
    case 'Off':
    case 'AssignResources':
    case 'ReleaseResources':
    case 'Abort':
    case 'Restart':
      return undefined;
  }
}

function configured(argument: unknown, present: ExecutionBlock | undefined): EbChange {
  const {new_scan_types: added, scan_type: chosen} = configuration(argument);
  const {scan_types: known} = linked('Configure', present);
  const ids = new Set(known.map((type) => type.scan_type_id));
  for (const {scan_type_id: id} of added) {
    if (ids.has(id)) throw new ControlPlaneError('invalid', `the argument of Configure: new_scan_types: ${id} is there already`);
    ids.add(id);
  }
  if (!ids.has(chosen)) throw new ControlPlaneError('invalid', `the argument of Configure: scan_type: there is no ${JSON.stringify(chosen)}`);
  return {scan_types: [...known, ...added], current_scan_type: chosen};
}

function linked(command: string, block: ExecutionBlock | undefined): ExecutionBlock {
  if (block === undefined) throw new ControlPlaneError('wrong_state', `${command} needs an execution block, and the subarray has none`);
  return block;
}
