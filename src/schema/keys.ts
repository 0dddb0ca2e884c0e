/**
 * Every key of the configuration database: how it is built, how it is read back, what it holds and who writes it.
 *
 * Keys here are without the global prefix (`SCANPLANE_PREFIX`); the store adds and strips it. What starts with `/` is watched by every
 * replica, what starts with `~` never is. Ids are one path level (`\w`, `-`, `.`), so `/scan/s1/` never matches `/scan/s10`.
 */

export const META_KEY = '/meta';

export const scanKey = (id: string): string => `/scan/${id}`;
/** Prefix of everything below one scan, without the scan's own key. */
export const scanChildren = (id: string): string => `/scan/${id}/`;
export const controlKey = (id: string): string => `/scan/${id}/control`;
export const admissionKey = (id: string): string => `/scan/${id}/admission`;
export const stateKey = (id: string): string => `/scan/${id}/state`;
export const ownerKey = (id: string): string => `/scan/${id}/owner`;
export const chainKey = (id: string): string => `/scan/${id}/chain`;
export const jobKey = (id: string, job: string): string => `/scan/${id}/job/${job}`;
export const reportKey = (id: string, job: string, tryNumber: number): string => `/scan/${id}/report/${job}/${tryNumber}`;
export const progressKey = (id: string): string => `/scan/${id}/progress`;
export const resultKey = (id: string): string => `/scan/${id}/result`;
export const ewmsKey = (id: string): string => `/scan/${id}/ewms`;
export const legacyKey = (id: string): string => `/scan/${id}/legacy`;
export const backlogKey = (order: string, id: string): string => `/backlog/${order}/scan/${id}`;
export const eventKey = (id: string): string => `/event/${id}`;
export const clusterKey = (name: string): string => `/cluster/${name}`;
export const replicaKey = (id: string): string => `/replica/${id}`;
export const leaderKey = (controller: string): string => `/leader/${controller}`;
/** Job log entry of one try. */
export const logKey = (id: string, job: string, tryNumber: number): string => `~log/${id}/${job}/${tryNumber}`;
/** Which scan a request with an `Idempotency-Key` made; `digest` names the request. */
export const idempotencyKey = (digest: string): string => `~idempotency/${digest}`;
/** Chunks of one blob; `n` counts from 0, six digits, so that a range read returns them in order. */
export const blobPrefix = (kind: BlobKind, referrer: string, digest: string): string => `~blob/${kind}/${referrer}/${digest}/`;
export const blobChunkKey = (kind: BlobKind, referrer: string, digest: string, n: number): string =>
  `${blobPrefix(kind, referrer, digest)}${String(n).padStart(6, '0')}`;

export type BlobKind = 'event' | 'result' | 'log' | 'chain';

/** A key, read back. `undefined` from {@link parseKey} means that it is none of ours. */
export type KeyRef =
  | {readonly kind: 'meta'}
  | {readonly kind: 'scan' | ScanChildKind; readonly id: string}
  | {readonly kind: 'job'; readonly id: string; readonly job: string}
  | {readonly kind: 'report'; readonly id: string; readonly job: string; readonly try: number}
  | {readonly kind: 'backlog'; readonly order: string; readonly of: string; readonly id: string}
  | {readonly kind: 'event'; readonly id: string}
  | {readonly kind: 'cluster'; readonly name: string}
  | {readonly kind: 'replica'; readonly id: string}
  | {readonly kind: 'leader'; readonly controller: string};

const SCAN_CHILDREN = ['control', 'admission', 'state', 'owner', 'chain', 'progress', 'result', 'ewms', 'legacy'] as const;
type ScanChildKind = (typeof SCAN_CHILDREN)[number];
const SCAN_CHILD_SET: ReadonlySet<string> = new Set(SCAN_CHILDREN);

const ID = /^(?!\.{1,2}$)[\w.-]{1,128}$/;
/** Scans are addressed by REST routes whose ids are `\w+`. */
const SCAN = /^\w{1,128}$/;

/** Whether `text` may be one level of a key. */
export function isKeyId(text: string): boolean {
  return ID.test(text);
}

/** What a key is for, or `undefined` for one that is none of ours (or malformed). */
export function parseKey(key: string): KeyRef | undefined {
  const parts = key.split('/');
  if (parts[0] !== '') return undefined;
  for (let i = 1; i < parts.length; i++) if (!ID.test(parts[i] as string)) return undefined;
  const [, root, a, b, c, d] = parts;
  const length = parts.length;
  switch (root) {
    case 'meta':
      return length === 2 ? {kind: 'meta'} : undefined;
    case 'scan':
      if (a === undefined || !SCAN.test(a)) return undefined;
      if (length === 3) return {kind: 'scan', id: a};
      if (length === 4 && SCAN_CHILD_SET.has(b as string)) return {kind: b as ScanChildKind, id: a};
      if (length === 5 && b === 'job') return {kind: 'job', id: a, job: c as string};
      if (length === 6 && b === 'report' && /^\d{1,9}$/.test(d as string)) return {kind: 'report', id: a, job: c as string, try: Number(d)};
      return undefined;
    case 'backlog':
      return length === 5 ? {kind: 'backlog', order: a as string, of: b as string, id: c as string} : undefined;
    case 'event':
      return length === 3 ? {kind: 'event', id: a as string} : undefined;
    case 'cluster':
      return length === 3 ? {kind: 'cluster', name: a as string} : undefined;
    case 'replica':
      return length === 3 ? {kind: 'replica', id: a as string} : undefined;
    case 'leader':
      return length === 3 ? {kind: 'leader', controller: a as string} : undefined;
    default:
      return undefined;
  }
}

/** One row of the key table in the README. */
export interface KeyRow {
  readonly pattern: string;
  readonly holds: string;
  readonly writer: string;
}

/** Every key, its value and its one writer. The README's table is checked against this. */
export const KEY_TABLE: readonly KeyRow[] = [
  {pattern: '/meta', holds: 'cluster id, epoch, schema version', writer: 'first start; restore'},
  {pattern: '/scan/[id]', holds: 'what was asked: type, request or arguments; immutable', writer: 'API or operator, once'},
  {
    pattern: '/scan/[id]/control',
    holds: 'what the user wants now: run, hold, suspend or stop; deleted; priority; attempt',
    writer: 'API or operator, compare-and-set',
  },
  {
    pattern: '/scan/[id]/admission',
    holds: 'that it may run: attempt, slots granted per cluster',
    writer: 'scheduler, fenced; removed with the terminal state',
  },
  {pattern: '/scan/[id]/state', holds: 'what is so: state, times, reason, attempt, teardown due', writer: 'the owner, fenced'},
  {pattern: '/scan/[id]/owner', holds: 'which replica leads this scan; leased', writer: 'the elected controller'},
  {pattern: '/scan/[id]/chain', holds: 'the jobs to run and their order, or the header of their blob', writer: 'creator or first owner, once'},
  {pattern: '/scan/[id]/job/[job]', holds: 'one job: state, tries, launch intent, handle, exit, data', writer: 'the owner, fenced'},
  {pattern: '/scan/[id]/report/[job]/[try]', holds: 'what a running job says of itself', writer: 'API, for the job’s token'},
  {pattern: '/scan/[id]/progress', holds: 'progress, event metadata, scan metadata', writer: 'API, for the scanner’s token'},
  {pattern: '/scan/[id]/result', holds: 'header of the result: final or not, size, digest', writer: 'API, for the scanner’s token'},
  {pattern: '/scan/[id]/ewms', holds: 'workflow id and address', writer: 'API, once'},
  {pattern: '/scan/[id]/legacy', holds: 'what clients of versions 1 and 0 report of their workers; their deletion of a result', writer: 'API'},
  {pattern: '/backlog/[order]/scan/[id]', holds: 'a scan that waits; order is priority, then time', writer: 'with the scan; then scheduler, fenced'},
  {pattern: '/event/[id]', holds: 'an i3 event, or the header of its blob', writer: 'API or operator'},
  {pattern: '/cluster/[name]', holds: 'where jobs run: engine, capacity, settings', writer: 'operator, or the configuration at start'},
  {pattern: '/replica/[id]', holds: 'a live process; leased', writer: 'that process'},
  {pattern: '/leader/[controller]', holds: 'who leads scheduler, janitor or watchdog; leased', writer: 'that process'},
  {pattern: '~blob/[kind]/[referrer]/[digest]/[n]', holds: 'compressed chunks of anything large', writer: 'whoever writes the header'},
  {pattern: '~log/[id]/[job]/[try]', holds: 'log entry of one try', writer: 'the owner, fenced; API, for executors'},
  {pattern: '~idempotency/[digest]', holds: 'which scan a request with an Idempotency-Key made; leased', writer: 'API, with the scan'},
  {pattern: '~space', holds: 'the revision that was compacted last', writer: 'whoever compacts'},
];
