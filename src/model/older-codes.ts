import {isTerminal} from '../schema/state.ts';
import type {ScannerProgress} from '../schema/progress.ts';
import type {ScanRecord} from './scan-record.ts';

/** What {@link olderScanCodeFrom} looks at. */
export interface OlderCodeFacts {
  /** The workers are done, be it that the scan has ended or that it was stopped. */
  readonly isComplete: boolean;
  readonly progress: {readonly processing_stats: {readonly rate?: unknown; readonly finished?: boolean}} | null;
  /** Workers have been started somewhere. */
  readonly hasClusters: boolean;
}

/** The state code that users of version 1 see: computed on each request, never stored. @see SkyDriver 1.3, Manifest.get_state */
export function olderScanCodeFrom({isComplete, progress, hasClusters}: OlderCodeFacts): string {
  if (isComplete && progress?.processing_stats.finished === true) return 'SCAN_FINISHED_SUCCESSFULLY';
  const base = baseCode(progress, hasClusters);
  return isComplete ? `STOPPED__${base.slice(base.indexOf('__') + 2)}` : base;
}

function baseCode(progress: OlderCodeFacts['progress'], hasClusters: boolean): string {
  if (progress === null) return hasClusters ? 'PENDING__WAITING_ON_SCANNER_SERVER_STARTUP' : 'PENDING__PRESTARTUP';
  if (!hasClusters) return 'PENDING__WAITING_ON_CLUSTER_STARTUP';
  const {rate} = progress.processing_stats;
  const hasRate = rate !== null && typeof rate === 'object' && Object.keys(rate).length > 0;
  return hasRate ? 'IN_PROGRESS__PARTIAL_RESULT_GENERATED' : 'IN_PROGRESS__WAITING_ON_FIRST_PIXEL_RECO';
}

/** The state code of a scan for users and scanners of version 1. A scanner of that time ends when it reads `STOPPED__…`. */
export function olderScanCode(scan: ScanRecord): string {
  const progress: ScannerProgress | null = scan.progress?.value.progress ?? null;
  // The last report may be lost; with its final result in and its workers gone the scan has finished all the same.
  if (scan.state?.value.name === 'COMPLETE') return 'SCAN_FINISHED_SUCCESSFULLY';
  return olderScanCodeFrom({isComplete: workersAreDone(scan), progress, hasClusters: hasWorkers(scan)});
}

/** `complete` of versions 1 and 0: the scan has ended, or is to be stopped. */
export function workersAreDone(scan: ScanRecord): boolean {
  const control = scan.control?.value;
  return control?.is_deleted === true || control?.desired === 'stop' || (scan.state !== undefined && isTerminal(scan.state.value.name));
}

/** Whether workers have been started somewhere: by us, or by starters that have reported. */
export function hasWorkers(scan: ScanRecord): boolean {
  const legacy = scan.legacy?.value;
  if (legacy !== undefined && legacy.clusters.length + legacy.condor_clusters.length > 0) return true;
  for (const {value: job} of scan.jobs?.values() ?? []) if (job.type === 'workers') return true;
  return false;
}
