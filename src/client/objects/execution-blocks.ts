import {canonicalJson} from '../../lib/canonical-json.ts';
import type {Clock} from '../../lib/clock.ts';
import {blockIdPrefix, firstFreeId} from '../../model/block-numbers.ts';
import {BLOCK_ID} from '../../schema/block-ids.ts';
import {currentEb, parseEbState, parseExecutionBlock} from '../../schema/execution-block.ts';
import type {EbState, ExecutionBlock} from '../../schema/execution-block.ts';
import {ebKey, ebStateKey} from '../../schema/keys.ts';
import type {Transaction} from '../../store/transaction.ts';
import {Collection} from './collection.ts';
import {StoredObject, checked, storedText} from './stored-object.ts';
import type {Input} from './stored-object.ts';

const KIND = {what: 'execution block', root: ebKey(''), isId: (text: string) => BLOCK_ID.test(text), parse: parseExecutionBlock};

/** Members of a block that its state key has, where there is one. */
const DYNAMIC = ['status', 'current_scan_type', 'scan_id', 'last_updated'] as const;

/** `/eb/[id]`, and `/eb/[id]/state` where a newer program keeps the dynamic members apart: read and written as one. */
export class ExecutionBlocks extends Collection<ExecutionBlock> {
  readonly #clock: Clock;

  /** @internal */
  constructor(tx: Transaction, clock: Clock) {
    super(tx, KIND);
    this.#clock = clock;
  }

  override async get(id: string): Promise<ExecutionBlock | undefined> {
    const block = await super.get(id);
    return block === undefined ? undefined : currentEb(block, await this.state(id).get());
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(block: Input<ExecutionBlock, 'eb_id'>): Promise<void> {
    const key = this.#keyOf(block);
    await this.tx.create(key, storedText(parseExecutionBlock, key, block));
  }

  /** Writes each member where it is kept. @throws ControlPlaneError `invalid`, with the field; `not_found` */
  async update(block: Input<ExecutionBlock, 'eb_id'>): Promise<void> {
    const key = this.#keyOf(block);
    const value = checked(parseExecutionBlock, key, block);
    const stateKey = ebStateKey(value.eb_id);
    const stored = await this.tx.get(key);
    const stateText = await this.tx.get(stateKey);
    if (stored === undefined || stateText === undefined) {
      await this.tx.update(key, canonicalJson(value));
      return;
    }
    const definition = {...value, ...kept(stored)};
    for (const member of DYNAMIC) if (!(member in kept(stored))) delete (definition as Record<string, unknown>)[member];
    const definitionText = canonicalJson(definition);
    if (definitionText !== stored) await this.tx.update(key, definitionText);
    await this.tx.update(stateKey, storedText(parseEbState, stateKey, {...parseEbState(stateText, stateKey), ...dynamics(value)}));
  }

  /** The key of newer programs. */
  state(id: string): StoredObject<EbState> {
    this.key(id);
    return new StoredObject(this.tx, ebStateKey(id), parseEbState);
  }

  /** As that of processing blocks: `eb-[generator]-[YYYYMMDD]-[NNNNN]`. */
  async newId(generator: string): Promise<string> {
    const prefix = blockIdPrefix('eb', generator, this.#clock.now());
    const keys = await this.tx.list(ebKey(prefix), {noticeDeletes: false, noticeCreates: false});
    const taken = new Set(keys);
    return firstFreeId(prefix, (id) => taken.has(this.key(id)));
  }

  #keyOf(block: unknown): string {
    return this.key((block as {readonly eb_id?: unknown} | null)?.eb_id);
  }
}

/** The dynamic members that the definition itself has, as they are there: whoever reads only that goes on seeing them. */
function kept(stored: string): Record<string, unknown> {
  const raw = JSON.parse(stored) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(DYNAMIC.filter((member) => Object.hasOwn(raw, member)).map((member) => [member, raw[member]]));
}

function dynamics(block: ExecutionBlock): EbState {
  const {status, current_scan_type, scan_id, last_updated} = block;
  return {status, scan_type: current_scan_type, scan_id, ...(last_updated === undefined ? {} : {last_updated})};
}
