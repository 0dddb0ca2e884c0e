import type {Entry, ScanRecord} from '../../src/model/scan-record.ts';
import type {Job, JobTry} from '../../src/schema/job.ts';
import {parseScanSpec} from '../../src/schema/scan.ts';
import type {SkymapRequest, SkymapSpec} from '../../src/schema/scan.ts';

/** A stored entry at a made-up revision. */
export function entry<T>(value: T, modRevision = 10, lease = '0'): Entry<T> {
  return {value, createRevision: modRevision, modRevision, lease};
}

/** A scan as asked: two workers on `local`, unless said otherwise. */
export function aSpec(request: Partial<SkymapRequest> = {}): SkymapSpec {
  const base = {reco_algo: 'anything', nsides: [['1', 0]], request_clusters: [['local', 2]], i3_event_id: 'e1'};
  return parseScanSpec(JSON.stringify({created_at: 1_700_000_000, request: {...base, ...request}}), '/scan/s1') as SkymapSpec;
}

/** An admitted scan that nobody has launched, with whatever `more` brings. */
export function aScan(more: Partial<ScanRecord> = {}): ScanRecord {
  return {id: 's1', spec: entry(aSpec()), admission: entry({attempt: 1, slots: {local: 2}, admitted_at: ''}), ...more};
}

export function aTry(more: Partial<JobTry> = {}): JobTry {
  return {try: 1, intent_at: '2026-01-01T00:00:00.000Z', token_digest: 'd', place: 'p', ...more};
}

/** A job in its first try, which has not ended. */
export function aJob(more: Partial<Job> = {}): Job {
  return {type: 'scanner-server', cluster: 'local', count: 1, retry: 2, state: 'RUNNING', tries_total: 1, failures: 0, tries: [aTry()], ...more};
}
