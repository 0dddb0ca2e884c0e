import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../../model/block-record.ts';
import type {BadEntry, Entry} from '../../model/scan-record.ts';
import {BLOCK_ID, DEPLOYMENT_ID, parseScriptId} from '../../schema/block-ids.ts';
import {currentEb} from '../../schema/execution-block.ts';
import {deployKey, ebKey, pbKey, scriptKey} from '../../schema/keys.ts';
import type {Cache, Table} from '../../store/cache.ts';
import {conflict, notFound} from '../api-error.ts';
import type {ApiError} from '../api-error.ts';
import {presentDeployment, presentEb, presentPb, presentScript} from './present.ts';

/** What a record of any kind has. */
export interface AnyRecord {
  readonly id: string;
  readonly spec?: Entry<object>;
  readonly bad?: ReadonlyMap<string, BadEntry>;
}

/** One kind of object, as its routes need to know it. */
export interface Kind<R extends AnyRecord> {
  /** The first level of its keys, and of its paths. */
  readonly root: 'eb' | 'pb' | 'script' | 'deploy';
  readonly noun: string;
  /** The list in an answer. */
  readonly plural: string;
  isId(text: string): boolean;
  key(id: string): string;
  table(cache: Cache): Table<R>;
  present(record: R): object;
  /** What a list may be asked to agree with, by the name in the query. `undefined`: it has no such field. */
  readonly filters: Readonly<Record<string, (record: R) => string | null | undefined>>;
}

export const EB: Kind<EbRecord> = {
  root: 'eb',
  noun: 'execution block',
  plural: 'execution_blocks',
  isId: (text) => BLOCK_ID.test(text),
  key: ebKey,
  table: (cache) => cache.ebs,
  present: presentEb,
  filters: {
    status: ({spec, state}) => (spec === undefined ? undefined : currentEb(spec.value, state?.value).status),
    subarray_id: ({spec}) => spec?.value.subarray_id,
  },
};

export const PB: Kind<PbRecord> = {
  root: 'pb',
  noun: 'processing block',
  plural: 'processing_blocks',
  isId: (text) => BLOCK_ID.test(text),
  key: pbKey,
  table: (cache) => cache.pbs,
  present: presentPb,
  filters: {
    eb_id: ({spec}) => spec?.value.eb_id,
    kind: ({spec}) => spec?.value.script.kind,
    name: ({spec}) => spec?.value.script.name,
    version: ({spec}) => spec?.value.script.version,
    status: ({state}) => state?.value.status,
  },
};

export const SCRIPT: Kind<ScriptRecord> = {
  root: 'script',
  noun: 'script',
  plural: 'scripts',
  isId: (text) => parseScriptId(text) !== undefined,
  key: scriptKey,
  table: (cache) => cache.scripts,
  present: presentScript,
  filters: {
    kind: ({id}) => parseScriptId(id)?.kind,
    name: ({id}) => parseScriptId(id)?.name,
    version: ({id}) => parseScriptId(id)?.version,
  },
};

export const DEPLOYMENT: Kind<DeployRecord> = {
  root: 'deploy',
  noun: 'deployment',
  plural: 'deployments',
  isId: (text) => DEPLOYMENT_ID.test(text),
  key: deployKey,
  table: (cache) => cache.deployments,
  present: presentDeployment,
  filters: {
    type: ({spec}) => spec?.value.type,
    pb_id: ({spec}) => spec?.value.pb_id,
    status: ({state}) => state?.value.status,
  },
};

/** A record whose object is there. */
export type Present<R extends AnyRecord> = R & {readonly spec: NonNullable<R['spec']>};

/**
 * The object `id`, damaged or not.
 *
 * @throws ApiError `not_found`: there is none, or only what belongs to it
 */
export function findAny<R extends AnyRecord>(kind: Kind<R>, cache: Cache, id: string): R {
  const record = kind.isId(id) ? kind.table(cache).get(id) : undefined;
  if (record === undefined || (record.spec === undefined && record.bad?.has('spec') !== true)) throw missingBlock(kind, id);
  return record;
}

/** The object `id`. @throws ApiError `not_found`, as {@link findAny}; 409: it is damaged */
export function findBlock<R extends AnyRecord>(kind: Kind<R>, cache: Cache, id: string): Present<R> {
  const record = findAny(kind, cache, id);
  requireSound(record, 'spec');
  return record as Present<R>;
}

/** Refuses to work with what cannot be read. @throws ApiError 409 */
export function requireSound({bad}: AnyRecord, part: string): void {
  const damage = bad?.get(part);
  if (damage !== undefined) throw conflict(plainText(`${damage.key} is damaged: ${damage.reason}`));
}

export const missingBlock = ({noun}: {readonly noun: string}, id: string): ApiError => notFound(`there is no ${noun} ${plainText(id.slice(0, 128))}`);

/** A text that may stand in a status line: what may not is shown as `?`. */
export function plainText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]|</g, '?');
}
