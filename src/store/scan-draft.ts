import {JobTable} from '../model/job-table.ts';
import type {BadEntry, Entry, ScanRecord} from '../model/scan-record.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import type {BlockKind, KeyRef} from '../schema/keys.ts';
import type {Job} from '../schema/job.ts';
import type {Report} from '../schema/report.ts';

/** Keys that a scan has one of. */
const FIELDS = ['spec', 'control', 'admission', 'state', 'owner', 'chain', 'progress', 'result', 'ewms', 'legacy'] as const;
type Field = (typeof FIELDS)[number];

export type ScanRef = Exclude<KeyRef, {readonly kind: 'meta' | 'event' | 'cluster' | 'replica' | 'leader' | 'script' | BlockKind}>;
export type AnyEntry = Entry<unknown> | BadEntry;
export type WaitingEntry = Entry<BacklogEntry> & {readonly order: string};

/** Whether an entry is of a value that does not parse. */
export function isBad(entry: AnyEntry): entry is BadEntry {
  return 'reason' in entry && !('value' in entry);
}

/** The last parts of a scan's key: what its bad values are called by. */
export function partOf(ref: ScanRef): string {
  switch (ref.kind) {
    case 'job':
      return `job/${ref.job}`;
    case 'report':
      return `report/${ref.job}/${ref.try}`;
    case 'backlog':
      return `backlog/${ref.order}`;
    case 'scan':
      return 'spec';
    default:
      return ref.kind;
  }
}

/**
 * One scan's record. All have the same members in the same order, absent ones as `undefined`: so every reader's code meets one shape only,
 * which is what keeps a scan over 100,000 of them fast.
 */
class Row {
  readonly id: string;
  spec: Entry<unknown> | undefined;
  control: Entry<unknown> | undefined;
  admission: Entry<unknown> | undefined;
  state: Entry<unknown> | undefined;
  owner: Entry<unknown> | undefined;
  chain: Entry<unknown> | undefined;
  progress: Entry<unknown> | undefined;
  result: Entry<unknown> | undefined;
  ewms: Entry<unknown> | undefined;
  legacy: Entry<unknown> | undefined;
  jobs: JobTable | undefined;
  reports: ReadonlyMap<string, Entry<Report>> | undefined;
  backlog: WaitingEntry | undefined;
  bad: ReadonlyMap<string, BadEntry> | undefined;

  constructor(id: string, before: ScanRecord | undefined) {
    this.id = id;
    this.spec = before?.spec;
    this.control = before?.control;
    this.admission = before?.admission;
    this.state = before?.state;
    this.owner = before?.owner;
    this.chain = before?.chain;
    this.progress = before?.progress;
    this.result = before?.result;
    this.ewms = before?.ewms;
    this.legacy = before?.legacy;
    this.jobs = before?.jobs;
    this.reports = before?.reports;
    this.backlog = before?.backlog;
    this.bad = before?.bad;
  }
}

/** Every entry of a record, bad ones included. */
export function* entriesOf(scan: ScanRecord): Generator<{readonly part: string; readonly entry: AnyEntry}> {
  for (const field of FIELDS) {
    const entry = scan[field];
    if (entry !== undefined) yield {part: field, entry};
  }
  if (scan.jobs !== undefined) for (const [job, entry] of scan.jobs) yield {part: `job/${job}`, entry};
  if (scan.reports !== undefined) for (const [name, entry] of scan.reports) yield {part: `report/${name}`, entry};
  if (scan.backlog !== undefined) yield {part: `backlog/${scan.backlog.order}`, entry: scan.backlog};
  if (scan.bad !== undefined) for (const [part, entry] of scan.bad) yield {part, entry};
}

/** The entry that a record has for a part, see {@link partOf}. */
export function entryOf(scan: ScanRecord | undefined, part: string): AnyEntry | undefined {
  if (scan === undefined) return undefined;
  const bad = scan.bad?.get(part);
  if (bad !== undefined) return bad;
  const slash = part.indexOf('/');
  if (slash < 0) return scan[part as Field];
  const rest = part.slice(slash + 1);
  if (part.startsWith('job/')) return scan.jobs?.get(rest);
  if (part.startsWith('report/')) return scan.reports?.get(rest);
  return scan.backlog?.order === rest ? scan.backlog : undefined;
}

/** The next record of one scan, while a batch of changes is applied: copied once, changed in place, then published and never changed again. */
export class ScanDraft {
  readonly id: string;
  /** The record that it was made from. */
  readonly before: ScanRecord | undefined;
  readonly #row: Row;
  /** Jobs that are to change, put together when the record is published. */
  #jobs: Map<string, Entry<Job> | undefined> | undefined;
  /** Which of the row's maps are our own copies already. */
  #reports: Map<string, Entry<Report>> | undefined;
  #bad: Map<string, BadEntry> | undefined;

  constructor(id: string, before: ScanRecord | undefined) {
    this.id = id;
    this.before = before;
    this.#row = new Row(id, before);
  }

  entry(part: string): AnyEntry | undefined {
    const job = part.startsWith('job/') ? part.slice('job/'.length) : undefined;
    if (job !== undefined && this.#jobs?.has(job) && !this.#row.bad?.has(part)) return this.#jobs.get(job);
    return entryOf(this.#record, part);
  }

  /** The entry that waits in the backlog. */
  get waiting(): WaitingEntry | undefined {
    return this.#row.backlog;
  }

  /** Sets or takes out (`undefined`) what the scan has for a part. */
  set(part: string, entry: AnyEntry | undefined): void {
    const isBadEntry = entry !== undefined && isBad(entry);
    if (isBadEntry || this.#row.bad?.has(part)) this.#setBad(part, isBadEntry ? entry : undefined);
    this.#setGood(part, isBadEntry ? undefined : entry);
  }

  /** The finished record, or `undefined` when nothing of the scan is left. */
  publish(): ScanRecord | undefined {
    const row = this.#row;
    if (this.#jobs !== undefined) row.jobs = (row.jobs ?? JobTable.EMPTY).with(this.#jobs);
    this.#jobs = undefined;
    for (const name of ['jobs', 'reports', 'bad'] as const) if (row[name]?.size === 0) row[name] = undefined;
    return FIELDS.some((field) => row[field] !== undefined) || row.jobs || row.reports || row.backlog || row.bad ? this.#record : undefined;
  }

  /** The row as readers see it: to them a member that is `undefined` and one that is not there are the same. */
  get #record(): ScanRecord {
    return this.#row as unknown as ScanRecord;
  }

  #setGood(part: string, entry: Entry<unknown> | undefined): void {
    const slash = part.indexOf('/');
    if (slash < 0) {
      this.#row[part as Field] = entry;
      return;
    }
    const rest = part.slice(slash + 1);
    if (part.startsWith('job/')) {
      (this.#jobs ??= new Map()).set(rest, entry as Entry<Job> | undefined);
    } else if (part.startsWith('report/')) {
      if (this.#reports === undefined) this.#row.reports = this.#reports = new Map(this.#row.reports);
      setOrDelete(this.#reports, rest, entry as Entry<Report> | undefined);
    } else if (entry !== undefined) this.#row.backlog = entry as WaitingEntry;
    else if (this.#row.backlog?.order === rest) this.#row.backlog = undefined;
  }

  #setBad(part: string, entry: BadEntry | undefined): void {
    if (this.#bad === undefined) this.#row.bad = this.#bad = new Map(this.#row.bad);
    setOrDelete(this.#bad, part, entry);
  }
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
