import {canonicalJson} from '../lib/canonical-json.ts';
import {chainDemand, largestJobs} from '../model/chain-demand.ts';
import {isStoredChain, parseWholeChain} from '../schema/chain.ts';
import type {Chain, StoredChain} from '../schema/chain.ts';
import {chainKey} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Blobs} from './blobs.ts';
import type {Compare, Op} from './store.ts';

/** Bytes of a chain's JSON text above which it becomes a blob: every replica's watch cache holds what does not. */
const INLINE_BYTES = 65_536;

/** What writes a chain, in the transaction that needs it: large ones have their chunks stored already. */
export interface StagedChain {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/** Prepares the writing of `/scan/[id]/chain`, which must not exist. @throws ControlPlaneError `too_large` above 100 MiB; as {@link Blobs.stage} */
export async function stageChain(blobs: Blobs, id: string, chain: Chain): Promise<StagedChain> {
  const key = chainKey(id);
  const text = canonicalJson(chain);
  const absent: Compare = {key, createRevision: 0};
  if (Buffer.byteLength(text) <= INLINE_BYTES) return {compares: [absent], ops: [{put: key, value: text}]};
  const staged = await blobs.stage('chain', id, Buffer.from(text));
  const largest = largestJobs(chain);
  const counts = {demand: chainDemand(chain), ...(largest.length === 0 ? {} : {largest}), jobs_total: Object.keys(chain.jobs).length};
  const stored: StoredChain = {blob: staged.header, ...counts};
  return {compares: [absent, ...staged.compares], ops: [putJson(key, stored), ...staged.ops]};
}

/** The chain itself. @throws ControlPlaneError `not_found`: its chunks are gone. `invalid`: what they hold is no chain */
export async function readChain(blobs: Blobs, id: string, chain: Chain | StoredChain): Promise<Chain> {
  if (!isStoredChain(chain)) return chain;
  const bytes = await blobs.read('chain', id, chain.blob);
  return parseWholeChain(bytes.toString(), chainKey(id));
}
