import {isDeepStrictEqual} from 'node:util';
import {withNonFinite} from '../../lib/non-finite.ts';
import {presentManifest} from '../../model/manifest.ts';
import type {Manifest, Scan} from '../../model/manifest.ts';
import {progressKey, scanKey} from '../../schema/keys.ts';
import {progressText} from '../../schema/progress.ts';
import type {EventMetadata, Progress, ScannerProgress} from '../../schema/progress.ts';
import type {Compare, Op, Revision} from '../../store/store.ts';
import {badRequest} from '../api-error.ts';
import {changeScan, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {requireSmall} from '../value-size.ts';
import type {PatchManifestBody, ProgressBody} from './schema.ts';

/** What else is written with a report, decided on the same record. `apply` adds it to the record, once it is written. */
export interface Alongside {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  apply(scan: Scan, revision: Revision): Scan;
}

/** Takes in what a scanner reports. The two kinds of metadata are written once: later ones must be equal. @returns the manifest afterwards */
export async function patchManifest(deps: RouteDeps, scanId: string, body: PatchManifestBody): Promise<Manifest> {
  return presentManifest(await takeReport(deps, scanId, body));
}

/** As {@link patchManifest}, with what older versions report besides. @returns the scan afterwards */
export function takeReport(deps: RouteDeps, scanId: string, body: PatchManifestBody, besides?: (scan: Scan) => Alongside): Promise<Scan> {
  return changeScan(deps, scanId, (scan) => {
    const value = merged(scan, body, deps.clock.now() / 1000);
    const alongside = besides?.(scan);
    if (value === undefined && alongside === undefined) return {commit: undefined, answer: () => scan};
    const compares: Compare[] = [{key: scanKey(scanId), exists: true}, ...(alongside?.compares ?? [])];
    const ops: Op[] = [...(alongside?.ops ?? [])];
    if (value !== undefined) {
      const text = progressText(value);
      requireSmall(deps.store.limits, text, value);
      compares.push({key: progressKey(scanId), modRevision: childRevision(scan, 'progress')});
      ops.push({put: progressKey(scanId), value: text});
    }
    return {
      commit: {compares, ops},
      answer: (revision) => {
        const after = alongside?.apply(scan, revision) ?? scan;
        if (value === undefined) return after;
        return {...after, progress: {value, createRevision: scan.progress?.createRevision ?? revision, modRevision: revision, lease: '0'}};
      },
    };
  });
}

/** What is to be stored, or `undefined` if the report says nothing. @throws ApiError `invalid`: it would change what is written once. */
function merged(scan: Scan, body: PatchManifestBody, nowSeconds: number): Progress | undefined {
  const stored = scan.progress?.value;
  const eventMetadata = body.event_metadata ? knownEventMetadata(body.event_metadata) : undefined;
  const scanMetadata = isEmpty(body.scan_metadata) ? undefined : (withNonFinite(body.scan_metadata) as typeof body.scan_metadata);
  if (!body.progress && eventMetadata === undefined && scanMetadata === undefined) return undefined;
  const known = stored?.event_metadata ?? undefined;
  const event_metadata = writeOnce('event_metadata', withTypeOf(known, eventMetadata), withTypeOf(eventMetadata, known));
  const scan_metadata = writeOnce('scan_metadata', stored?.scan_metadata, scanMetadata);
  return {
    progress: body.progress ? (withNonFinite(knownProgress(body.progress)) as ScannerProgress) : (stored?.progress ?? null),
    event_metadata,
    scan_metadata,
    updated_at: Math.max(nowSeconds, (stored?.updated_at ?? 0) + 1e-6), // A clock that was set back must not hide a write.
  };
}

function writeOnce<T extends object>(name: string, stored: T | null | undefined, reported: T | undefined): T | null {
  if (isEmpty(stored)) return reported ?? null;
  if (reported !== undefined && !isDeepStrictEqual(stored, reported)) throw badRequest(`Cannot change an existing ${name}`);
  return stored as T;
}

/** The kind of event may become known later, and a report that does not know it changes nothing. */
function withTypeOf(metadata: EventMetadata | undefined, other: EventMetadata | undefined): EventMetadata | undefined {
  return metadata?.event_type === null && other !== undefined ? {...metadata, event_type: other.event_type} : metadata;
}

function isEmpty(value: object | null | undefined): boolean {
  return value === undefined || value === null || Object.keys(value).length === 0;
}

/** Without the members that SkyDriver does not know; the rest as given or by default. */
function knownProgress(body: ProgressBody): ScannerProgress {
  const stats = body.processing_stats;
  return {
    summary: body.summary,
    epilogue: body.epilogue,
    tallies: body.tallies,
    processing_stats: {
      start: stats.start,
      runtime: stats.runtime,
      rate: stats.rate ?? {},
      end: stats.end ?? '',
      finished: stats.finished ?? false,
      predictions: stats.predictions ?? {},
    },
    predictive_scanning_threshold: body.predictive_scanning_threshold ?? 1,
    last_updated: body.last_updated ?? '',
    start: body.start ?? null,
    end: body.end ?? null,
  };
}

function knownEventMetadata(body: EventMetadata): EventMetadata {
  return {
    run_id: body.run_id,
    event_id: body.event_id,
    event_type: body.event_type,
    mjd: body.mjd,
    is_real_event: body.is_real_event,
  };
}
