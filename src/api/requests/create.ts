import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import {checkEngines} from '../../model/chain-engines.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import type {ScanRecord} from '../../model/scan-record.ts';
import {backlogOrder} from '../../schema/backlog.ts';
import type {BacklogEntry} from '../../schema/backlog.ts';
import type {Chain} from '../../schema/chain.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import {newRequestId} from '../../schema/ids.ts';
import {backlogKey, controlKey, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {SKYMAP_SCAN} from '../../schema/scan.ts';
import type {RequestSpec} from '../../schema/scan.ts';
import type {RequestBuilder} from '../../specs/request-builder.ts';
import {requestOf} from '../../specs/request-args.ts';
import {stageChain} from '../../store/chain-store.ts';
import type {Op} from '../../store/store.ts';
import {ApiError} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {requireSmall} from '../value-size.ts';
import {refused} from './errors.ts';

/** How often a creation is begun again when the chunks of its chain went away in between. */
const MAX_ROUNDS = 3;

/** A request as it is asked for. */
export interface AskedRequest {
  readonly type: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly user: string | undefined;
  /** Whether it waits until somebody starts it. */
  readonly isHeld: boolean;
  readonly remember: Remember;
}

/** A request as it was made. */
export interface MadeRequest {
  readonly record: RequestRecord & ScanRecord;
  readonly chain: Chain;
}

/** Where request types come from, if one of this name can be asked for here. @throws ApiError `invalid`, saying why not */
export function builderFor({requests}: Pick<RouteDeps, 'requests'>, type: string): RequestBuilder {
  if (type === '') throw refused('Type: is missing');
  if (type === SKYMAP_SCAN) throw refused(`start: a ${SKYMAP_SCAN} cannot wait to be started`);
  const builder = requests?.builder;
  if (builder === undefined) throw refused(`no request type is called ${JSON.stringify(type.slice(0, 256))}: no specs are configured`);
  forCaller(() => requestOf(builder.specs, type));
  return builder;
}

/**
 * Makes a request: its chain is built and checked first, then chain, request and backlog entry are one transaction. So what is refused leaves nothing.
 *
 * @throws ApiError `invalid`, `too_large`: it cannot be built, and where. `unavailable`: jobs cannot be created now. ControlPlaneError as {@link Remember.refused}
 */
export async function createRequest(deps: RouteDeps, builder: RequestBuilder, asked: AskedRequest): Promise<MadeRequest> {
  for (let round = 1; ; round++) {
    const made = await tryCreate(deps, builder, asked);
    if (made !== undefined) return made;
    if (round === MAX_ROUNDS) throw new ControlPlaneError('revision_conflict', 'the chain could not be stored');
  }
}

async function tryCreate(deps: RouteDeps, builder: RequestBuilder, asked: AskedRequest): Promise<MadeRequest | undefined> {
  const {args, isHeld, remember, type, user} = asked;
  const nowMs = deps.clock.now();
  const id = newRequestId(nowMs);
  const spec: RequestSpec = {args, created_at: nowMs / 1000, type, ...(user === undefined ? {} : {user})};
  const specText = canonicalJson(spec);
  requireSmall(deps.store.limits, specText, args);
  const chain = await building(async () => {
    const built = await builder.build(id, type, args);
    checkEngines(built, (cluster) => deps.cache.clusters.get(cluster)?.value.engine);
    return built;
  });
  const staged = await stageChain(deps.blobs, id, chain);
  const entry: BacklogEntry = {next_attempt: 0, pending_timestamp: 0, priority: 0, timestamp: nowMs / 1000};
  const waiting: Op = isHeld
    ? putJson(controlKey(id), {...DEFAULT_CONTROL, desired: 'hold'})
    : putJson(backlogKey(backlogOrder(0, nowMs), id), entry);
  deps.cache.expect(scanKey(id), specText, spec);
  const result = await deps.groupCommit.commit({
    compares: [{key: scanKey(id), createRevision: 0}, ...staged.compares, ...remember.compares],
    ops: [...staged.ops, {put: scanKey(id), value: specText}, waiting, ...remember.ops(id)],
  });
  if (!result.ok) {
    remember.refused(result);
    return undefined;
  }
  const at = {createRevision: result.revision, modRevision: result.revision, lease: '0'};
  return {record: {id, spec: {value: spec, ...at}, chain: {value: chain, ...at}}, chain};
}

/** What a chain is refused for is the caller's to know. */
async function building<T>(build: () => Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (err) {
    throw asCallers(err);
  }
}

function forCaller<T>(work: () => T): T {
  try {
    return work();
  } catch (err) {
    throw asCallers(err);
  }
}

function asCallers(err: unknown): unknown {
  return hasCode(err, 'invalid', 'too_large', 'unavailable') ? new ApiError(err.code, err.detail, {cause: err}) : err;
}
