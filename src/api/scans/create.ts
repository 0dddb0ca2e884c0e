import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Scan} from '../../model/manifest.ts';
import {backlogOrder} from '../../schema/backlog.ts';
import type {BacklogEntry} from '../../schema/backlog.ts';
import type {EventHeader} from '../../schema/blob.ts';
import {newEventId, newScanId} from '../../schema/ids.ts';
import {backlogKey, ebKey, eventKey, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import type {OlderArguments, OlderGeneration, SkymapSpec, SkymapRequest} from '../../schema/scan.ts';
import type {Compare, Op} from '../../store/store.ts';
import {badArgument} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {findMember} from '../json/json-members.ts';
import {JsonSyntaxError, scanJson} from '../json/json-scanner.ts';
import type {JsonRange} from '../json/json-scanner.ts';
import {RawJson} from '../json/raw-json.ts';
import {requireSmall} from '../value-size.ts';
import type {DockerTags} from './docker-tag.ts';
import {normaliseRequest} from './request.ts';
import type {CreateScanBody} from './schema.ts';

/** How often a creation is begun again when its event's chunks, or its execution block, went away in between. */
const MAX_ROUNDS = 3;

/** An event that came with the request, or the id of a stored one. */
type EventSource = {readonly text: Buffer} | {readonly id: string};

/** Who asks, and how to know it when it is asked again. */
export interface Asked {
  readonly user: string | undefined;
  readonly remember: Remember;
  /** The older version that it is asked through; absent: version 2. */
  readonly older?: OlderOrigin;
}

/** An older version that a scan is asked through, and what is asked in its terms alone. */
export interface OlderOrigin {
  readonly generation: OlderGeneration;
  readonly asked: OlderArguments;
}

/**
 * Creates a scan: the event's chunks, then in one transaction the event, `/scan/[id]` and its entry in the backlog.
 *
 * What is checked is checked before the first write, so a bad request leaves nothing behind.
 *
 * @throws ApiError `invalid`. ControlPlaneError as {@link Remember.refused}.
 */
export async function createScan(deps: RouteDeps, tags: DockerTags, body: CreateScanBody, bytes: Buffer, asked: Asked): Promise<Scan> {
  const normalised = await normaliseRequest(deps, tags, body, bytes);
  const request = asked.older === undefined ? normalised : {...normalised, older: asked.older.asked};
  const event = eventOf(body, bytes);
  if ('id' in event && !deps.cache.events.has(event.id)) {
    await deps.cache.catchUp(); // It may have been stored a moment ago.
    if (!deps.cache.events.has(event.id)) throw badArgument('i3_event_id', 'i3 event not found');
  }
  for (let round = 1; ; round++) {
    const scan = await tryCreate(deps, request, event, asked);
    if (scan !== undefined) return scan;
    if (round === MAX_ROUNDS) throw new ControlPlaneError('revision_conflict', 'the event could not be stored');
  }
}

/** One attempt, under a new id. @returns `undefined` when the event's chunks are gone: begin again */
async function tryCreate(deps: RouteDeps, request: SkymapRequest, event: EventSource, {user, remember, older}: Asked): Promise<Scan | undefined> {
  const nowMs = deps.clock.now();
  const nowSeconds = nowMs / 1000;
  const id = newScanId(nowMs);
  const eventId = 'id' in event ? event.id : newEventId();
  // Members in the order of their names, as in the request: then the canonical form needs no sorted copy.
  const spec: SkymapSpec = {
    created_at: nowSeconds,
    ...(older === undefined ? {} : {generation: older.generation}),
    request: {...request, i3_event_id: eventId},
    type: 'skymap-scan',
    ...(user === undefined ? {} : {user}),
  };
  const specText = canonicalJson(spec);
  requireSmall(deps.store.limits, specText, spec.request);
  const entry: BacklogEntry = {next_attempt: 0, pending_timestamp: 0, priority: request.priority, timestamp: nowSeconds};
  const waiting = backlogKey(backlogOrder(request.priority, nowMs), id);

  // Nothing waits under an id that is new.
  const compares: Compare[] = [{key: scanKey(id), createRevision: 0}, ...remember.compares];
  if (request.eb_id !== undefined) compares.push({key: ebKey(request.eb_id), exists: true});
  const ops: Op[] = [{put: scanKey(id), value: specText}, putJson(waiting, entry), ...remember.ops(id)];
  if ('id' in event) compares.push({key: eventKey(eventId), exists: true});
  else {
    const staged = await deps.blobs.stage('event', eventId, event.text);
    const header: EventHeader = {blob: staged.header, created_at: nowSeconds};
    compares.push({key: eventKey(eventId), createRevision: 0}, ...staged.compares);
    ops.push(putJson(eventKey(eventId), header), ...staged.ops);
  }

  deps.cache.expect(scanKey(id), specText, spec);
  const result = await deps.groupCommit.commit({compares, ops});
  if (result.ok) {
    return {id, spec: {value: spec, createRevision: result.revision, modRevision: result.revision, lease: '0'}};
  }
  remember.refused(result);
  return undefined;
}

/** Exactly one of the two ways to name an event must be used. @throws ApiError `invalid` */
function eventOf(body: CreateScanBody, bytes: Buffer): EventSource {
  const given = body.event_i3live_json;
  const hasEvent = given !== undefined && (typeof given === 'string' || Object.keys(given).length > 0);
  const id = body.i3_event_id ?? '';
  if (hasEvent === (id !== '')) throw badArgument('event_i3live_json', "Must provide either 'event_i3live_json' or 'i3_event_id' (xor)");
  if (!hasEvent) return {id};
  if (given instanceof RawJson) return {text: given.bytes};
  if (typeof given !== 'string') {
    const {start, end} = findMember(bytes, 'event_i3live_json') as JsonRange;
    return {text: bytes.subarray(start, end)}; // As it was written: numbers keep their digits.
  }
  const text = Buffer.from(given);
  try {
    scanJson(text, {nonFiniteIn: 'everywhere'});
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw badArgument('event_i3live_json', `event_i3live_json is not valid JSON: ${err.message}`);
    throw err;
  }
  return {text};
}
