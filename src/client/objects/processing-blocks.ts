import {ControlPlaneError} from '../../lib/errors.ts';
import type {Clock} from '../../lib/clock.ts';
import {blockIdPrefix, firstFreeId} from '../../model/block-numbers.ts';
import {BLOCK_ID, scriptId} from '../../schema/block-ids.ts';
import type {ScriptId} from '../../schema/block-ids.ts';
import {pbKey, pbStateKey} from '../../schema/keys.ts';
import {parsePbState, parseProcessingBlock} from '../../schema/processing-block.ts';
import type {Dependency, PbState, ProcessingBlock} from '../../schema/processing-block.ts';
import type {Owner} from '../../schema/owner.ts';
import type {Transaction} from '../../store/transaction.ts';
import type {Lease} from '../lease.ts';
import type {BlockOwnership} from './block-ownership.ts';
import {Collection} from './collection.ts';
import {StoredObject, checked, storedText} from './stored-object.ts';

const KIND = {what: 'processing block', root: pbKey(''), isId: (text: string) => BLOCK_ID.test(text), parse: parseProcessingBlock};

/** A processing block on its way in: what it is not told of is `null` or empty, other members are kept. */
export interface PbInput {
  readonly pb_id: string;
  readonly script: ScriptId;
  readonly eb_id?: string | null;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly dependencies?: readonly (Pick<Dependency, 'pb_id'> & Partial<Dependency>)[];
  readonly priority?: number;
  readonly [field: string]: unknown;
}

/** `/pb/[id]`, with state and owner. */
export class ProcessingBlocks extends Collection<ProcessingBlock> {
  readonly #clock: Clock;
  readonly #ownership: BlockOwnership;

  /** @internal */
  constructor(tx: Transaction, clock: Clock, ownership: BlockOwnership) {
    super(tx, KIND);
    this.#clock = clock;
    this.#ownership = ownership;
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(block: PbInput): Promise<void> {
    const {key, text} = this.#text(block);
    await this.tx.create(key, text);
  }

  /** For repairs: nobody expects a block to change. @throws ControlPlaneError `invalid`; `not_found` */
  async update(block: PbInput): Promise<void> {
    const {key, text} = this.#text(block);
    await this.tx.update(key, text);
  }

  /** `/pb/[id]/state`. Absent until a controller has picked the block up. */
  state(id: string): StoredObject<PbState> {
    this.key(id);
    return new StoredObject(this.tx, pbStateKey(id), parsePbState);
  }

  /**
   * The first id that is free today (UTC): `pb-[generator]-[YYYYMMDD]-[NNNNN]`. It is yours when the transaction that asked for it has created the block: of two
   * who are given the same, one runs again.
   *
   * @throws ControlPlaneError `invalid`: a generator that no id can have; `already_exists`: all 100,000 are taken
   */
  async newId(generator: string): Promise<string> {
    const prefix = blockIdPrefix('pb', generator, this.#clock.now());
    const keys = await this.tx.list(pbKey(prefix), {noticeDeletes: false, noticeCreates: false});
    const taken = new Set(keys);
    return firstFreeId(prefix, (id) => taken.has(this.key(id)));
  }

  /**
   * Makes this connection the owner, for as long as the lease is held.
   *
   * @throws ControlPlaneError `already_exists`: it has an owner, be it this one; `not_found`: there is no such block; `invalid`: no lease was given
   */
  async take(id: string, lease: Lease): Promise<void> {
    if ((await this.tx.get(this.key(id))) === undefined)
      throw new ControlPlaneError('not_found', `cannot own ${this.key(id)}, as it does not exist`, {key: this.key(id)});
    await this.#ownership.take(id, lease);
  }

  /** Gives it back, where this connection is the owner. */
  async release(id: string): Promise<void> {
    this.key(id);
    await this.#ownership.release(id);
  }

  /**
   * Whether this connection owns the block, by what it took: the lease, the key's creation, and a random id. What the same transaction writes is
   * refused when the owner key has changed meanwhile; so every write of an owner belongs into a transaction that asks this.
   */
  async isOwner(id: string): Promise<boolean> {
    return (await this.tx.get(this.key(id))) !== undefined && (await this.#ownership.isOurs(id));
  }

  /** Who owns the block; `undefined`: nobody. @throws ControlPlaneError `invalid`: the owner key is damaged */
  async getOwner(id: string): Promise<Owner | undefined> {
    this.key(id);
    return this.#ownership.get(id);
  }

  #text(block: PbInput): {readonly key: string; readonly text: string} {
    const key = this.key((block as {readonly pb_id?: unknown} | null)?.pb_id);
    scriptId(checked(parseProcessingBlock, key, block).script);
    return {key, text: storedText(parseProcessingBlock, key, block)};
  }
}
