import {EVENT_FIELD, presentV0Manifest, presentV1Manifest} from '../../model/older-manifest.ts';
import type {OlderView} from '../../model/older-manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import type {RouteDeps} from '../deps.ts';
import {readEvent} from '../event.ts';
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

/** A manifest as version 1 shows it. The event, large as it may be, is shown to who names it, to who asks for `*`, and `always` where a scanner asks. */
export async function readV1Manifest(deps: RouteDeps, scan: Scan, projection: OlderProjection, always = false): Promise<JsonMembers> {
  const wanted = projection?.has('*') ? undefined : projection;
  const manifest = presentV1Manifest(scan, olderView(deps), wanted);
  const wantsEvent = projection === undefined ? always : projection.has('*') || projection.has(EVENT_FIELD);
  return wantsEvent ? {...manifest, [EVENT_FIELD]: await eventOf(deps, scan)} : manifest;
}

/** A manifest as version 0 shows it: always with the event. */
export async function readV0Manifest(deps: RouteDeps, scan: Scan): Promise<JsonMembers> {
  return {...presentV0Manifest(scan, olderView(deps)), [EVENT_FIELD]: await eventOf(deps, scan)};
}

async function eventOf(deps: RouteDeps, scan: Scan): Promise<unknown> {
  return (await readEvent(deps, scan.spec.value.request.i3_event_id)) ?? null;
}
