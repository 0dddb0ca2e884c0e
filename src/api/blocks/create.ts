import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import {GENERATOR, blockIdPrefix, firstFreeId} from '../../model/block-numbers.ts';
import type {Entry} from '../../model/scan-record.ts';
import type {JsonSchema, Parser} from '../../schema/validate.ts';
import type {Commit, Revision} from '../../store/store.ts';
import {badRequest, conflict} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import type {DescribedRoute, Parameter} from '../openapi/described-route.ts';
import type {Call} from '../route.ts';
import type {Arguments} from '../validation/query.ts';
import {requireSmall} from '../value-size.ts';
import {plainText} from './kinds.ts';
import type {AnyRecord, Kind} from './kinds.ts';

/** How often a creation that somebody else overtook is decided again. */
const MAX_ROUNDS = 64;
/** How long the cache may take to show what overtook us. */
const CATCH_UP_MS = 2000;

/** What to write to create the object `id`, and what was made then. */
export interface Creation<T> {
  readonly id: string;
  readonly commit: Commit;
  readonly made: (revision: Revision) => T;
}

/**
 * Creates something in one transaction, with what is to be remembered of the request. `plan` decides on what the cache shows, compares all that it decided
 * on, and is asked again when somebody was quicker.
 *
 * @throws what `plan` throws; ControlPlaneError `revision_conflict`: overtaken too often; as {@link Remember.refused}
 */
async function createOnce<T>(
  {cache, groupCommit}: Pick<RouteDeps, 'cache' | 'groupCommit'>,
  remember: Remember,
  plan: () => Creation<T>,
  ids: FreeIds | undefined,
): Promise<T> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let seenFrom: Revision = 0;
    try {
      const {id, commit, made} = plan();
      const {compares, ops} = commit;
      const result = await groupCommit.commit({compares: [...compares, ...remember.compares], ops: [...ops, ...remember.ops(id)]});
      seenFrom = result.revision;
      if (result.ok) return made(result.revision);
      remember.refused(result);
    } finally {
      // Others may be given these ids, or see that they are taken, once the cache shows what became of them.
      ids?.releaseAfter(cache.waitFor(seenFrom, CATCH_UP_MS));
    }
    await cache.waitFor(seenFrom, CATCH_UP_MS);
  }
  throw new ControlPlaneError('revision_conflict', 'too many writers at once');
}

/** The answers of a route that creates, beside the 200 of a repeated request. */
export function createdAnswers(schema: JsonSchema): NonNullable<DescribedRoute['otherAnswers']> {
  return {
    201: {description: 'Made. (200: an earlier request with this Idempotency-Key had made it.)', schema},
    409: {description: 'An id is taken, or what is stored stands against it; nothing was written.'},
  };
}

/** Who asks for a creation, and with which bytes. */
export interface CreateCall extends Pick<Call, 'ctx' | 'principal'> {
  readonly bytes: Buffer;
}

/** Creates an object, unless an earlier request with the same Idempotency-Key has: see {@link createOnce}. @returns the object as it is shown */
export async function answerCreated<R extends AnyRecord>(
  deps: RouteDeps,
  kind: Kind<R>,
  {ctx, principal, bytes}: CreateCall,
  plan: () => Creation<R>,
  ids?: FreeIds,
): Promise<object> {
  let isNew = false;
  const find = (id: string): R | undefined => {
    const record = kind.table(deps.cache).get(id);
    return record?.spec === undefined ? undefined : record;
  };
  const record = await deps.idempotency.onceFor({noun: kind.noun, find}, ctx, principal, bytes, async (remember) => {
    const created = await createOnce(deps, remember, plan, ids);
    isNew = true;
    return created;
  });
  if (isNew) {
    ctx.status = 201;
    ctx.set('Location', `/v2/${kind.root}/${record.id}`);
  }
  return kind.present(record);
}

/** A value as it is to be stored, its defaults filled in, and its text. @throws ApiError `invalid`: it would be damaged; `too_large` */
export function storable<T extends object>(
  {store}: Pick<RouteDeps, 'store'>,
  key: string,
  wanted: object,
  parse: Parser<T>,
): {readonly value: T; readonly text: string} {
  let value: T;
  try {
    value = parse(canonicalJson(wanted), key);
  } catch (err) {
    throw hasCode(err, 'invalid') ? badRequest(plainText(err.detail)) : err;
  }
  const text = canonicalJson(value);
  requireSmall(store.limits, text, value);
  return {value, text};
}

/** An entry as it is after the write that created its key. */
export function newEntry<T>(value: T, revision: Revision): Entry<T> {
  return {value, createRevision: revision, modRevision: revision, lease: '0'};
}

export const GENERATED_BY: Parameter = {
  name: 'generator',
  description:
    'Who makes it: part of ids that are not given. `[kind]-[generator]-[YYYYMMDD]-[nnnnn]` with the first free number, by the date in UTC.',
  schema: {type: 'string', pattern: GENERATOR.source, default: 'api'},
};

/** Gives out free ids for one creation. */
export class FreeIds {
  readonly #generator: string;
  readonly #nowMs: number;
  readonly #reserved: Set<string>;
  #given: string[] = [];

  /**
   * @param reserved ids that requests of this process are about to take: those that come together need not get in each other's way
   * @throws ApiError `invalid`: the generator that the query names
   */
  constructor(args: Arguments, nowMs: number, reserved: Set<string>) {
    this.#generator = args.text('generator') ?? 'api';
    this.#nowMs = nowMs;
    this.#reserved = reserved;
    if (!GENERATOR.test(this.#generator)) throw badRequest("'generator': must be 1 to 46 letters, digits and '-'");
  }

  /** @throws ApiError 409: no number is left */
  next(kind: 'eb' | 'pb', isTaken: (id: string) => boolean): string {
    try {
      const id = firstFreeId(blockIdPrefix(kind, this.#generator, this.#nowMs), (each) => this.#reserved.has(each) || isTaken(each));
      this.#reserved.add(id);
      this.#given.push(id);
      return id;
    } catch (err) {
      throw conflict(ControlPlaneError.from(err).detail);
    }
  }

  /** Keeps what was given out reserved until then. */
  releaseAfter(moment: Promise<unknown>): void {
    const given = this.#given;
    this.#given = [];
    const release = (): void => given.forEach((id) => this.#reserved.delete(id));
    moment.then(release, release);
  }
}
