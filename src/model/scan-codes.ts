import type {ScannerProgress} from '../schema/progress.ts';
import {wasAdmitted} from './manifest.ts';
import {hasWorkers, workersAreDone} from './older-codes.ts';
import type {ScanRecord} from './scan-record.ts';

export const FINAL_RESULT_CODE = 'SCAN_HAS_FINAL_RESULT';

/** What a scanner is told of its workflow: `null` while it is to go on. */
export type Deactivation = 'ABORTED' | 'FINISHED' | null;

/** What {@link scanCodeFrom} looks at. */
export interface CodeFacts {
  readonly hasFinalResult: boolean;
  /** It has left the backlog. */
  readonly isAdmitted: boolean;
  readonly progress: Pick<ScannerProgress, 'processing_stats'> | {readonly processing_stats: {readonly rate?: unknown}} | null;
  /** What replaces the first half of the code: `ABORTED`, `FINISHED`, or our own `STOPPED` of a scan that failed. */
  readonly ending: string | null;
}

/** The state code that SkyDriver's users see: computed on each request, never stored. */
export function scanCodeFrom(facts: CodeFacts): string {
  if (facts.hasFinalResult) return FINAL_RESULT_CODE;
  const base = baseCode(facts);
  return facts.ending === null ? base : `${facts.ending}__${base.slice(base.indexOf('__') + 2)}`;
}

function baseCode({isAdmitted, progress}: CodeFacts): string {
  if (!isAdmitted) return 'PENDING__PRESTARTUP';
  if (progress === null) return 'PENDING__WAITING_ON_SCANNER_SERVER_STARTUP';
  return isEmpty(progress.processing_stats?.rate) ? 'IN_PROGRESS__WAITING_ON_FIRST_PIXEL_RECO' : 'IN_PROGRESS__PARTIAL_RESULT_GENERATED';
}

function isEmpty(rate: unknown): boolean {
  return rate === undefined || rate === null || (typeof rate === 'object' && Object.keys(rate).length === 0);
}

/**
 * The state code of a scan. One that failed shows as `STOPPED__…`: SkyDriver has no code for failure.
 *
 * @param deactivated how its workflow ended, in whatever case an outside workload manager writes it
 */
export function scanCode(scan: ScanRecord, deactivated: string | null = deactivationOf(scan)): string {
  return scanCodeFrom({
    hasFinalResult: scan.result?.value.is_final ?? false,
    isAdmitted: wasAdmitted(scan) || (scan.spec?.value.generation !== undefined && hasWorkers(scan)),
    progress: scan.progress?.value.progress ?? null,
    ending: endingOf(scan, deactivated),
  });
}

/** Of a scan asked through an older version only one end is known; its scanner looks for that word. */
function endingOf(scan: ScanRecord, deactivated: string | null): string | null {
  if (scan.state?.value.name === 'FAIL') return 'STOPPED';
  if (scan.spec?.value.generation === undefined) return deactivated?.toUpperCase() ?? null;
  return workersAreDone(scan) ? 'STOPPED' : null;
}

/**
 * Whether the scan's workflow is over, as its scanner is told: `FINISHED` once complete, `ABORTED` when deleted, stopped or failed.
 *
 * A scan deleted while it waited never had a workflow: it stays `null`, as with SkyDriver.
 */
export function deactivationOf(scan: ScanRecord): Deactivation {
  const state = scan.state?.value.name;
  if (state === 'COMPLETE') return 'FINISHED';
  const control = scan.control?.value;
  if (control?.is_deleted === true && !wasAdmitted(scan)) return null;
  if (state === 'FAIL' || state === 'STOPPED') return 'ABORTED';
  return control?.is_deleted === true || control?.desired === 'stop' ? 'ABORTED' : null;
}
