import type {Admission} from '../schema/admission.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import type {ResultHeader} from '../schema/blob.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {Control} from '../schema/control.ts';
import type {Ewms} from '../schema/ewms.ts';
import type {Chain, StoredChain} from '../schema/chain.ts';
import type {Legacy} from '../schema/legacy.ts';
import type {Owner} from '../schema/owner.ts';
import type {Progress} from '../schema/progress.ts';
import type {Report} from '../schema/report.ts';
import type {ScanSpec} from '../schema/scan.ts';
import {isTerminal} from '../schema/state.ts';
import type {ScanState} from '../schema/state.ts';
import type {JobTable} from './job-table.ts';

/** A stored value as it was read: parsed, with the revisions that a fenced write compares. `lease` is `'0'` for none. */
export interface Entry<T> {
  readonly value: T;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly lease: string;
}

/** A value that does not parse: the key goes on existing (its revisions still count), only its content is unusable. */
export interface BadEntry {
  readonly key: string;
  readonly reason: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly lease: string;
}

/**
 * Everything stored of one scan, as the watch cache holds it at one revision. Replaced as a whole on each change: a record in hand never changes.
 *
 * A scan may exist only in part: children without `spec` (an unfinished creation, or what a deletion by hand left behind).
 */
export interface ScanRecord {
  readonly id: string;
  readonly spec?: Entry<ScanSpec>;
  readonly control?: Entry<Control>;
  readonly admission?: Entry<Admission>;
  readonly state?: Entry<ScanState>;
  readonly owner?: Entry<Owner>;
  readonly chain?: Entry<Chain | StoredChain>;
  readonly progress?: Entry<Progress>;
  readonly result?: Entry<ResultHeader>;
  readonly ewms?: Entry<Ewms>;
  readonly legacy?: Entry<Legacy>;
  readonly jobs?: JobTable;
  /** By `<job>/<try>`. */
  readonly reports?: ReadonlyMap<string, Entry<Report>>;
  /** The entry that waits in the backlog, with its `[order]`. */
  readonly backlog?: Entry<BacklogEntry> & {readonly order: string};
  /** Keys of this scan whose value does not parse, by the last part(s) of the key: `state`, `job/server`. */
  readonly bad?: ReadonlyMap<string, BadEntry>;
}

type Part = 'spec' | 'control' | 'admission' | 'state' | 'owner' | 'chain' | 'progress' | 'result' | 'ewms' | 'legacy';

/** The mod revision of one part of a scan, 0 when it is absent: what a write that rests on it compares. Counts for a value that does not parse, too. */
export function modRevisionOf(record: ScanRecord, part: Part | `job/${string}` | `report/${string}`): number {
  const entry = part.startsWith('job/')
    ? record.jobs?.get(part.slice('job/'.length))
    : part.startsWith('report/')
      ? record.reports?.get(part.slice('report/'.length))
      : record[part as Part];
  return (entry ?? record.bad?.get(part))?.modRevision ?? 0;
}

/** Whether the scan's jobs are none of ours. What its admission says is carried on by its state, since the admission goes away with the end. */
export function isExternal(record: ScanRecord): boolean {
  return record.admission?.value.external ?? record.state?.value.external ?? false;
}

/** Whether it is a request of its own chain: anything but a sky scan. */
export function isChained(record: ScanRecord): boolean {
  return record.spec !== undefined && record.spec.value.request === undefined;
}

/** Whether a request has come to its end, and nobody asked that it be run again. */
export function isOver(record: ScanRecord): boolean {
  const state = record.state?.value;
  if (state === undefined || !isTerminal(state.name)) return false;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  const isAgain = control.desired === 'run' && !control.is_deleted && (control.attempt ?? 0) > state.attempt;
  return !isAgain || !isChained(record) || state.name === 'COMPLETE';
}

/** The attempt that a request is in, or is to begin. */
export function attemptOf(record: ScanRecord): number {
  return Math.max(record.state?.value.attempt ?? 1, isChained(record) ? (record.control?.value.attempt ?? 1) : 1);
}
