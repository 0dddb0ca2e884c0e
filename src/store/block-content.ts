import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../model/block-record.ts';
import type {BlockKind, KeyRef} from '../schema/keys.ts';
import type {BacklogItem} from './cache.ts';
import {ObjectTable} from './object-table.ts';
import type {AnyEntry} from './scan-draft.ts';

/** Refs of what this file holds: blocks, deployments, scripts, and blocks that wait. */
export type BlockRef = Extract<KeyRef, {readonly kind: BlockKind | 'script'}> | (Extract<KeyRef, {readonly kind: 'backlog'}> & {readonly of: 'pb'});

/** Which table a kind of key belongs to, and what its record calls it. */
const PLACES = {
  eb: ['ebs', 'spec'],
  'eb-state': ['ebs', 'state'],
  pb: ['pbs', 'spec'],
  'pb-admission': ['pbs', 'admission'],
  'pb-state': ['pbs', 'state'],
  'pb-owner': ['pbs', 'owner'],
  deploy: ['deployments', 'spec'],
  'deploy-state': ['deployments', 'state'],
  'deploy-owner': ['deployments', 'owner'],
  script: ['scripts', 'spec'],
} as const satisfies Record<BlockKind | 'script', readonly ['ebs' | 'pbs' | 'deployments' | 'scripts', string]>;

export function isBlockRef(ref: KeyRef): ref is BlockRef {
  return ref.kind in PLACES || (ref.kind === 'backlog' && ref.of === 'pb');
}

/** The part of the watch cache that holds blocks, their scripts and deployments. */
export class BlockContent {
  readonly ebs = new ObjectTable<EbRecord>();
  readonly pbs = new ObjectTable<PbRecord>();
  readonly deployments = new ObjectTable<DeployRecord>();
  readonly scripts = new ObjectTable<ScriptRecord>();
  /** What the list of all that waits is to be told of. */
  #removed: BacklogItem[] = [];
  #added: BacklogItem[] = [];

  present(ref: BlockRef): AnyEntry | undefined {
    const {table, part} = this.#place(ref);
    return table.entry(ref.id, part);
  }

  /** Puts an entry in its place; `undefined` takes out what is there. */
  set(ref: BlockRef, entry: AnyEntry | undefined): void {
    const {table, part} = this.#place(ref);
    if (ref.kind === 'backlog') {
      const item: BacklogItem = {order: ref.order, of: 'pb', id: ref.id};
      this.#removed.push(item);
      if (entry !== undefined && 'value' in entry) this.#added.push(item);
    }
    table.set(ref.id, part, entry);
  }

  /** Every entry, and how it is taken out. */
  *entries(): Generator<{readonly entry: AnyEntry; readonly remove: () => void}> {
    for (const table of [this.ebs, this.pbs, this.deployments, this.scripts]) {
      for (const {id, part, entry} of table.entries()) {
        const remove = (): void => {
          if (part.startsWith('waiting/')) this.#removed.push({order: part.slice('waiting/'.length), of: 'pb', id});
          table.set(id, part, undefined);
        };
        yield {entry, remove};
      }
    }
  }

  /** What was put into and taken from the backlog since this was asked last: first what to remove, then what to add. */
  takeMoves(): {readonly removed: readonly BacklogItem[]; readonly added: readonly BacklogItem[]} {
    const moves = {removed: this.#removed, added: this.#added};
    if (moves.removed.length > 0) this.#removed = [];
    if (moves.added.length > 0) this.#added = [];
    return moves;
  }

  #place(ref: BlockRef): {readonly table: AnyTable; readonly part: string} {
    if (ref.kind === 'backlog') return {table: this.pbs, part: `waiting/${ref.order}`};
    const [name, part] = PLACES[ref.kind];
    return {table: this[name], part};
  }
}

type AnyTable = ObjectTable<EbRecord> | ObjectTable<PbRecord> | ObjectTable<DeployRecord> | ObjectTable<ScriptRecord>;
