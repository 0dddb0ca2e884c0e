import {createHash} from 'node:crypto';
import type {Context} from 'koa';
import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import {isScan} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import type {ScanRecord} from '../../model/scan-record.ts';
import {parseIdempotencyRecord} from '../../schema/idempotency.ts';
import type {IdempotencyRecord} from '../../schema/idempotency.ts';
import {idempotencyKey} from '../../schema/keys.ts';
import type {CommitResult, Compare, LeaseId, Op} from '../../store/store.ts';
import {ApiError, badRequest, notFound, wrongState} from '../api-error.ts';
import type {ApiDeps} from '../deps.ts';
import {SharedLease} from './shared-lease.ts';

const DEFAULT_KEEP_SECONDS = 86_400;
const MAX_KEY_BYTES = 255;
/** How often a creation is begun again when another of the same key, or the end of a lease, came between. */
const MAX_ROUNDS = 3;

/** What a creation takes into its transaction, so that it can be told from a first one when it is asked for again. */
export interface Remember {
  readonly compares: readonly Compare[];
  ops(scanId: string): readonly Op[];
  /** To be called when the transaction was refused. @throws ControlPlaneError `already_exists`: because an earlier request made a scan. */
  refused(result: CommitResult & {readonly ok: false}): void;
}

/** Who repeats a request: another caller's is none of theirs. */
export interface Repeater {
  readonly role: string;
  readonly name?: string | undefined;
  readonly by?: number | undefined;
}

/** What a request makes: how it is called, and where it is found by its id. */
export interface Made<T> {
  readonly noun: string;
  find(id: string): T | undefined;
}

/** For a request without a key. */
const FORGET: Remember = {compares: [], ops: () => [], refused: () => {}};

/**
 * Requests that name themselves by an `Idempotency-Key`: of those that say the same, only the first creates a scan, whichever replica they reach.
 *
 * The key is remembered in the very transaction that creates the scan, so a lost reply, a crash or two replicas at once leave either both or neither.
 */
export class Idempotency {
  readonly #deps: Pick<ApiDeps, 'store' | 'cache'>;
  readonly #leases: SharedLease;

  constructor({store, cache, clock, config}: Pick<ApiDeps, 'store' | 'cache' | 'clock' | 'config'>) {
    this.#deps = {store, cache};
    this.#leases = new SharedLease(store, clock, config.idempotencySeconds ?? DEFAULT_KEEP_SECONDS);
  }

  /**
   * Runs `create`, unless an earlier request with the same key, caller and address has: then its scan, as it is now, is the answer.
   *
   * @param body as it was sent
   * @throws ApiError `invalid`: no key that can be taken; `wrong_state`: the key stands for another body; `not_found`: its scan has been removed
   */
  once(ctx: Context, principal: Repeater, body: Buffer | undefined, create: (remember: Remember) => Promise<Scan>): Promise<Scan> {
    return this.onceOf(isScan, ctx, principal, body, create);
  }

  /** As {@link once}, of what is there for callers when `isThere` says so. */
  async onceOf<T extends ScanRecord>(
    isThere: (record: ScanRecord | undefined) => record is T,
    ctx: Context,
    principal: Repeater,
    body: Buffer | undefined,
    create: (remember: Remember) => Promise<T>,
  ): Promise<T> {
    const {scans} = this.#deps.cache;
    const find = (id: string): T | undefined => {
      const record = scans.get(id);
      return isThere(record) ? record : undefined;
    };
    return this.onceFor({noun: 'scan', find}, ctx, principal, body, create);
  }

  /** As {@link once}, of anything that has an id. */
  async onceFor<T>(
    made: Made<T>,
    ctx: Context,
    principal: Repeater,
    body: Buffer | undefined,
    create: (remember: Remember) => Promise<T>,
  ): Promise<T> {
    const digest = requestDigest(ctx, principal);
    if (digest === undefined) return create(FORGET);
    const key = idempotencyKey(digest);
    const bodyDigest = sha256(body ?? '');
    for (let round = 1; ; round++) {
      const known = await this.#deps.store.get(key);
      if (known !== undefined) return this.#first(made, parseIdempotencyRecord(known.value.toString(), key), bodyDigest);
      const lease = await this.#leases.take();
      try {
        return await create(rememberer(key, bodyDigest, lease));
      } catch (err) {
        if (err instanceof ApiError || round === MAX_ROUNDS || !hasCode(err, 'already_exists', 'not_found')) throw err;
        if (err.code === 'not_found') await this.#leases.drop(lease);
      }
    }
  }

  /** Whether an earlier request with the same key, caller and address has created a scan. @throws ApiError `invalid` */
  async isRepeated(ctx: Context, principal: Repeater): Promise<boolean> {
    const digest = requestDigest(ctx, principal);
    return digest !== undefined && (await this.#deps.store.get(idempotencyKey(digest))) !== undefined;
  }

  async #first<T>(made: Made<T>, record: IdempotencyRecord, bodyDigest: string): Promise<T> {
    if (record.body_digest !== bodyDigest) throw otherBody();
    await this.#deps.cache.catchUp();
    const first = made.find(record.scan_id);
    if (first === undefined) throw notFound(`the ${made.noun} that this Idempotency-Key created has been removed`);
    return first;
  }
}

/**
 * What requests have in common that repeat each other: SHA-256 (hex) of caller, address and `Idempotency-Key`; `undefined` without such a header.
 *
 * @throws ApiError `invalid`: no key that can be taken
 */
function requestDigest(ctx: Context, principal: Repeater): string | undefined {
  const name = ctx.req.headers['idempotency-key'];
  if (name === undefined) return undefined;
  // Node reads headers as Latin-1: one character is one byte. Sent twice, the values come joined, as one.
  if (typeof name !== 'string' || name === '' || name.length > MAX_KEY_BYTES) {
    throw badRequest(`Idempotency-Key must have 1 to ${MAX_KEY_BYTES} bytes`);
  }
  return sha256(JSON.stringify([principal.role, principal.name ?? null, principal.by ?? null, ctx.method, ctx.path, name]));
}

/** The id of the workers that a request with an `Idempotency-Key` asks for: the same when it is repeated, so nothing else need be remembered. */
export function askedWorkersId(ctx: Context, principal: Repeater): string | undefined {
  return requestDigest(ctx, principal)?.slice(0, 32);
}

function rememberer(key: string, bodyDigest: string, lease: LeaseId): Remember {
  return {
    compares: [{key, createRevision: 0}],
    ops: (scanId) => {
      const record: IdempotencyRecord = {body_digest: bodyDigest, scan_id: scanId};
      return [{put: key, value: canonicalJson(record), lease}];
    },
    refused: ({found}) => {
      if (found.get(key) !== undefined) throw new ControlPlaneError('already_exists', 'an earlier request of this key was quicker', {key});
    },
  };
}

/** The key stands for a request that said something else. */
export const otherBody = (): ApiError => wrongState('this Idempotency-Key was used for a request with another body');

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
