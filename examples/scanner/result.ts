import type {ScanEvent} from './event.ts';
import type {Row, ScanPlan} from './plan.ts';

export const COLUMNS = ['index', 'llh', 'E_in', 'E_tot', 'X', 'Y', 'Z', 'T'] as const;

/** What reports say of the event. Written once: every report of a scan, of any attempt, says the same. */
export interface EventMetadata {
  readonly run_id: number;
  readonly event_id: number;
  readonly event_type: string;
  readonly mjd: number;
  readonly is_real_event: boolean;
  readonly version: 1;
}

export interface LevelResult {
  readonly columns: readonly string[];
  readonly data: readonly Row[];
  readonly metadata: EventMetadata & {readonly nside: number; readonly complete: boolean};
}

/** A result in the layout of skyreader's SkyScanResult: one entry per resolution that has pixels, named `nside-8` and so on. */
export type SkyScanResult = Readonly<Record<string, LevelResult>>;

export function eventMetadata(event: ScanEvent, isReal: boolean): EventMetadata {
  return {run_id: event.runId, event_id: event.eventId, event_type: event.eventType, mjd: event.mjd, is_real_event: isReal, version: 1};
}

/** The pixels finished so far; `{}` before the first. `complete` says whether the whole scan is. */
export function resultOf(plan: ScanPlan, metadata: EventMetadata): SkyScanResult {
  const result: Record<string, LevelResult> = {};
  for (const {nside} of plan.levels) {
    const data = plan.rows(nside);
    if (data.length > 0) result[`nside-${nside}`] = {columns: COLUMNS, data, metadata: {nside, complete: plan.isDone, ...metadata}};
  }
  return result;
}
