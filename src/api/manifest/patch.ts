import {isDeepStrictEqual} from 'node:util';
import {withNonFinite} from '../../lib/non-finite.ts';
import {presentManifest} from '../../model/manifest.ts';
import type {Manifest, Scan} from '../../model/manifest.ts';
import {progressKey, scanKey} from '../../schema/keys.ts';
import {progressText} from '../../schema/progress.ts';
import type {EventMetadata, Progress, ScannerProgress} from '../../schema/progress.ts';
import {badRequest} from '../api-error.ts';
import {changeScan, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {requireSmall} from '../value-size.ts';
import type {PatchManifestBody, ProgressBody} from './schema.ts';

/** Takes in what a scanner reports. The two kinds of metadata are written once: later ones must be equal. @returns the manifest afterwards */
export function patchManifest(deps: RouteDeps, scanId: string, body: PatchManifestBody): Promise<Manifest> {
  return changeScan(deps, scanId, (scan) => {
    const value = merged(scan, body, deps.clock.now() / 1000);
    if (value === undefined) return {commit: undefined, answer: () => presentManifest(scan)};
    const text = progressText(value);
    requireSmall(deps.store.limits, text, value);
    const expected = childRevision(scan, 'progress');
    return {
      commit: {
        compares: [
          {key: scanKey(scanId), exists: true},
          {key: progressKey(scanId), modRevision: expected},
        ],
        ops: [{put: progressKey(scanId), value: text}],
      },
      answer: (revision) => {
        const entry = {value, createRevision: scan.progress?.createRevision ?? revision, modRevision: revision, lease: '0'};
        return presentManifest({...scan, progress: entry});
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
    predictive_scanning_threshold: body.predictive_scanning_threshold,
    last_updated: body.last_updated,
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
