import {parseScriptId, scriptId} from '../../schema/block-ids.ts';
import type {ScriptId} from '../../schema/block-ids.ts';
import {scriptKey} from '../../schema/keys.ts';
import {parseScript} from '../../schema/script.ts';
import type {Script} from '../../schema/script.ts';
import type {Transaction} from '../../store/transaction.ts';
import {Collection} from './collection.ts';
import type {Input} from './stored-object.ts';

const KIND = {what: 'script', root: scriptKey(''), isId: (text: string) => parseScriptId(text) !== undefined, parse: parseScript};

/** A script by its parts, or by `kind:name:version`. */
export type ScriptName = string | ScriptId;

/** `/script/[kind]:[name]:[version]`. */
export class Scripts extends Collection<Script> {
  /** @internal */
  constructor(tx: Transaction) {
    super(tx, KIND);
  }

  /** Those of which each part that is given is equal, sorted by id. */
  async find(parts: Partial<ScriptId> = {}): Promise<ScriptId[]> {
    const {kind, name, version} = parts;
    const prefix = kind === undefined ? '' : name === undefined ? `${kind}:` : `${kind}:${name}:`;
    const ids = (await this.list(prefix)).map((id) => parseScriptId(id) as ScriptId);
    const isSame = (wanted: string | undefined, part: string): boolean => wanted === undefined || wanted === part;
    return ids.filter((id) => isSame(kind, id.kind) && isSame(name, id.name) && isSame(version, id.version));
  }

  override async get(script: ScriptName): Promise<Script | undefined> {
    return super.get(idOf(script));
  }

  /** @throws ControlPlaneError `invalid`, with the field; `already_exists` */
  async create(script: ScriptName, value: Input<Script>): Promise<void> {
    await this.object(idOf(script)).create(value);
  }

  /** @throws ControlPlaneError `invalid`, with the field; `not_found` */
  async update(script: ScriptName, value: Input<Script>): Promise<void> {
    await this.object(idOf(script)).update(value);
  }

  async createOrUpdate(script: ScriptName, value: Input<Script>): Promise<void> {
    await this.object(idOf(script)).createOrUpdate(value);
  }

  /** @throws ControlPlaneError `not_found` */
  override async delete(script: ScriptName): Promise<void> {
    await super.delete(idOf(script));
  }
}

function idOf(script: ScriptName): string {
  return typeof script === 'string' ? script : scriptId(script);
}
