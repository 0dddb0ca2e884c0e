import {EVENT_FIELD, presentV0Manifest, presentV1Manifest} from '../../model/older-manifest.ts';
import type {OlderView} from '../../model/older-manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import type {RouteDeps} from '../deps.ts';
import {readEvent} from '../event.ts';
import {findMember} from '../json/json-members.ts';
import type {JsonRange} from '../json/json-scanner.ts';
import {RawJson} from '../json/raw-json.ts';
import type {JsonMembers} from '../json/raw-json.ts';

export function olderView(deps: RouteDeps): OlderView {
  return {clusters: deps.cache.clusters, address: deps.config.publicAddress};
}

/** Fields of a manifest that are wanted; `undefined`: those that a version shows to who asks for none. */
export type OlderProjection = ReadonlySet<string> | undefined;

/** `*`, names with `|` between them, or a list of names, among which `*` means all. An empty list says nothing. */
export function olderProjectionOf(value: string | readonly string[] | undefined): OlderProjection {
  const names = typeof value === 'string' ? value.split('|').map((name) => name.trim()) : (value ?? []);
  return names.some((name) => name !== '') ? new Set(names) : undefined;
}

/**
 * A manifest as version 1 shows it. The event, large as it may be, is shown to who names it, to who asks for `*`, and `always` where a scanner asks.
 *
 * @param event the scan's event, where it is at hand
 */
export async function readV1Manifest(
  deps: RouteDeps,
  scan: Scan,
  projection: OlderProjection,
  always = false,
  event?: RawJson,
): Promise<JsonMembers> {
  const wanted = projection?.has('*') ? undefined : projection;
  const manifest = presentV1Manifest(scan, olderView(deps), wanted);
  const wantsEvent = projection === undefined ? always : projection.has('*') || projection.has(EVENT_FIELD);
  return wantsEvent ? {...manifest, [EVENT_FIELD]: event ?? (await storedEvent(deps, scan))} : manifest;
}

/** A manifest as version 0 shows it: always with the event. */
export async function readV0Manifest(deps: RouteDeps, scan: Scan, event?: RawJson): Promise<JsonMembers> {
  return {...presentV0Manifest(scan, olderView(deps)), [EVENT_FIELD]: event ?? (await storedEvent(deps, scan))};
}

/** The event that came with a request for a scan: the cache need not have it when the answer is made. `given` is what the body's bytes have. */
export function eventAsSent(given: unknown, bytes: Buffer): RawJson {
  if (given instanceof RawJson) return given;
  if (typeof given === 'string') return RawJson.of(given);
  const {start, end} = findMember(bytes, 'event_i3live_json') as JsonRange;
  return new RawJson(bytes.subarray(start, end));
}

async function storedEvent(deps: RouteDeps, scan: Scan): Promise<unknown> {
  return (await readEvent(deps, scan.spec.value.request.i3_event_id)) ?? null;
}
