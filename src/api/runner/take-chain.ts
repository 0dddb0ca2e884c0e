import {createHash} from 'node:crypto';
import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {checkEngines} from '../../model/chain-engines.ts';
import {isOver} from '../../model/scan-record.ts';
import type {ScanRecord} from '../../model/scan-record.ts';
import type {TakenChain} from '../../model/wire-chain.ts';
import {backlogOrder} from '../../schema/backlog.ts';
import type {BacklogEntry} from '../../schema/backlog.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import {backlogKey, chainKey, controlKey, jobKey, ownerKey, scanChildren, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {JOB_CHAIN} from '../../schema/scan.ts';
import type {RequestSpec} from '../../schema/scan.ts';
import {readChain, stageChain} from '../../store/chain-store.ts';
import type {Compare, Op, Revision} from '../../store/store.ts';
import type {ApiDeps} from '../deps.ts';

type TakeDeps = Pick<ApiDeps, 'store' | 'cache' | 'groupCommit' | 'blobs' | 'clock'>;

/** A chain that somebody hands over. */
export interface HandedOver extends TakenChain {
  readonly requestId: string;
  readonly user: string | undefined;
  /** Whether it was suspended elsewhere, not new. */
  readonly isResumed: boolean;
  /** What tells it from any other: see {@link digestOf}. */
  readonly digest: string;
}

/** How often a creation is begun again when somebody else wrote below the same id. */
const MAX_ROUNDS = 10;
const CATCH_UP_MS = 2000;
/** Records of jobs in one transaction, well below the operations that it has room for. */
const RECORDS_PER_WRITE = 64;

/** SHA-256 in hex of what was handed over. */
export function digestOf(kind: 'new' | 'resumed', body: unknown): string {
  return createHash('sha256')
    .update(`${kind}\0${canonicalJson(body)}`)
    .digest('hex');
}

/**
 * Makes a request of a chain that is handed over: `/scan/[id]` comes last, so that what is not there as a whole is not there.
 *
 * The same chain handed over again is the same creation, whether the answer was lost or not. One that has been suspended here, and is handed over to
 * be resumed, goes on from what is stored: that is newer than what its bearer knows.
 *
 * @throws ControlPlaneError `already_exists`: another chain has this id. `too_large`: a job's data is larger than a value may be.
 *   `invalid`: a cluster cannot run a job of it. `revision_conflict`: overtaken too often, or the former request of this id is still being ended
 */
export async function takeChain(deps: TakeDeps, handed: HandedOver): Promise<void> {
  const {cache} = deps;
  const {requestId: id} = handed;
  checkEngines(handed.chain, (cluster) => cache.clusters.get(cluster)?.value.engine);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    await cache.catchUp();
    const record = cache.scans.get(id);
    if (record?.spec !== undefined) {
      if (await isTaken(deps, handed, record)) return;
      continue;
    }
    if (record !== undefined && !(await clearLeftovers(deps, record))) continue;
    const refusedAt = await tryTake(deps, handed);
    if (refusedAt === undefined) return;
    await cache.waitFor(refusedAt, CATCH_UP_MS);
  }
  throw new ControlPlaneError('revision_conflict', 'too many writers at once', {key: id});
}

/** Whether a request that is there is the one that is handed over, and goes on as asked. `false`: look again. @throws as {@link takeChain} */
async function isTaken(deps: TakeDeps, handed: HandedOver, record: ScanRecord): Promise<boolean> {
  const {requestId: id, digest, isResumed} = handed;
  const spec = record.spec?.value;
  if (spec?.request === undefined && spec?.handed_over === digest) return true;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  const exists = (why: string): ControlPlaneError => new ControlPlaneError('already_exists', `request ${id} exists already${why}`);
  if (!isResumed || spec?.request !== undefined || record.chain === undefined) throw exists('');
  const {jobs} = await readChain(deps.blobs, id, record.chain.value);
  if (Object.keys(jobs).length !== Object.keys(handed.chain.jobs).length || Object.keys(handed.chain.jobs).some((job) => !Object.hasOwn(jobs, job))) {
    throw exists(', with other jobs');
  }
  if (isOver(record)) throw exists(' and is over');
  if (control.desired === 'run') return true; // Somebody has resumed it before.
  if (control.desired === 'stop' || control.is_deleted) throw exists(' and is being stopped');
  const next = {...control, desired: 'run', generation: control.generation + 1, updated_at: deps.clock.now() / 1000};
  const result = await deps.groupCommit.commit({
    compares: [
      {key: scanKey(id), exists: true},
      {key: controlKey(id), modRevision: record.control?.modRevision ?? 0},
    ],
    ops: [putJson(controlKey(id), next)],
  });
  if (!result.ok) await deps.cache.waitFor(result.revision, CATCH_UP_MS);
  return result.ok;
}

/**
 * Removes what a creation that was not finished, or a removal by hand, has left below an id. `false`: it is not to be removed now.
 *
 * @throws ControlPlaneError `revision_conflict`: somebody still leads it
 */
async function clearLeftovers({groupCommit, cache}: TakeDeps, {id, owner, bad}: ScanRecord): Promise<boolean> {
  if (owner !== undefined || bad?.has('owner') === true)
    throw new ControlPlaneError('revision_conflict', 'the former request of this id is still being ended', {key: id});
  const compares: Compare[] = [
    {key: scanKey(id), modRevision: 0},
    {key: ownerKey(id), modRevision: 0},
  ];
  const result = await groupCommit.commit({compares, ops: [{deletePrefix: scanChildren(id)}]});
  await cache.waitFor(result.revision, CATCH_UP_MS);
  return result.ok;
}

/** Writes everything; `undefined` when it is done, else the revision at which it was refused. */
async function tryTake(deps: TakeDeps, {requestId: id, chain, records, user, digest}: HandedOver): Promise<Revision | undefined> {
  const {blobs, clock, groupCommit, store} = deps;
  const nowMs = clock.now();
  const spec: RequestSpec = {type: JOB_CHAIN, args: {}, created_at: nowMs / 1000, handed_over: digest, ...(user === undefined ? {} : {user})};
  const entry: BacklogEntry = {timestamp: nowMs / 1000, priority: 0, pending_timestamp: 0, next_attempt: 0};
  const last: Op[] = [putJson(scanKey(id), spec), putJson(backlogKey(backlogOrder(0, nowMs), id), entry)];
  const jobs = [...records].map(([job, record]) => putJson(jobKey(id, job), record));
  for (const {put: key, value} of jobs) {
    if (Buffer.byteLength(value) > store.limits.value) throw new ControlPlaneError('too_large', `${key}: more than ${store.limits.value} bytes`);
  }
  const absent: Compare = {key: scanKey(id), createRevision: 0};
  const staged = await stageChain(blobs, id, chain);
  const batches = inBatches(jobs, store.limits.bytes / 2);
  if (batches.length === 0) return refusal(await groupCommit.commit({compares: [absent, ...staged.compares], ops: [...staged.ops, ...last]}));
  // The chain's create revision is what keeps the rest together: nobody else writes below it.
  const begun = await groupCommit.commit({compares: [absent, ...staged.compares], ops: staged.ops});
  if (!begun.ok) return begun.revision;
  const compares: Compare[] = [absent, {key: chainKey(id), createRevision: begun.revision}];
  for (const ops of [...batches, last]) {
    const result = await groupCommit.commit({compares, ops});
    if (!result.ok) return result.revision;
  }
  return undefined;
}

function refusal(result: {readonly ok: boolean; readonly revision: Revision}): Revision | undefined {
  return result.ok ? undefined : result.revision;
}

type Put = Op & {readonly value: string};

function inBatches(ops: readonly Put[], maxBytes: number): Put[][] {
  const batches: Put[][] = [];
  let bytes = 0;
  for (const op of ops) {
    const size = Buffer.byteLength(op.value);
    let batch = batches.at(-1);
    if (batch === undefined || batch.length >= RECORDS_PER_WRITE || bytes + size > maxBytes) {
      batches.push((batch = []));
      bytes = 0;
    }
    batch.push(op);
    bytes += size;
  }
  return batches;
}
