/**
 * Every key of the configuration database: how it is built, how it is read back, what it holds and who writes it.
 *
 * Keys here are without the global prefix (`SCANPLANE_ETCD_PREFIX`); the store adds and strips it. What starts with `/` is watched by every
 * replica, what starts with `~` never is. Ids are one path level (`\w`, `-`, `.`), so `/scan/s1/` never matches `/scan/s10`.
 */

import {BLOCK_ID, DEPLOYMENT_ID, parseScriptId} from './block-ids.ts';

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
export const backlogKey = (order: string, id: string, of: BacklogKind = 'scan'): string => `/backlog/${order}/${of}/${id}`;
export const eventKey = (id: string): string => `/event/${id}`;
export const ebKey = (id: string): string => `/eb/${id}`;
export const ebStateKey = (id: string): string => `/eb/${id}/state`;
export const pbKey = (id: string): string => `/pb/${id}`;
/** Prefix of everything below one processing block, without the block's own key. */
export const pbChildren = (id: string): string => `/pb/${id}/`;
export const pbAdmissionKey = (id: string): string => `/pb/${id}/admission`;
export const pbStateKey = (id: string): string => `/pb/${id}/state`;
export const pbOwnerKey = (id: string): string => `/pb/${id}/owner`;
/** `id` is `kind:name:version`, see `scriptId`. */
export const scriptKey = (id: string): string => `/script/${id}`;
export const deployKey = (id: string): string => `/deploy/${id}`;
export const deployChildren = (id: string): string => `/deploy/${id}/`;
export const deployStateKey = (id: string): string => `/deploy/${id}/state`;
export const deployOwnerKey = (id: string): string => `/deploy/${id}/owner`;
/** Subarrays and their controller: kept for programs that use the library; no replica looks at them. */
export const subarrayKey = (id: string): string => `/lmc/subarray/${id}`;
export const LMC_CONTROLLER_KEY = '/lmc/controller';
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

/** What can wait for admission. */
export const BACKLOG_KINDS = ['scan', 'pb'] as const;
export type BacklogKind = (typeof BACKLOG_KINDS)[number];

export function isBacklogKind(text: string): text is BacklogKind {
  return text === 'scan' || text === 'pb';
}

/** A key, read back. `undefined` from {@link parseKey} means that it is none of ours. */
export type KeyRef =
  | {readonly kind: 'meta'}
  | {readonly kind: 'scan' | ScanChildKind; readonly id: string}
  | {readonly kind: 'job'; readonly id: string; readonly job: string}
  | {readonly kind: 'report'; readonly id: string; readonly job: string; readonly try: number}
  | {readonly kind: 'backlog'; readonly order: string; readonly of: string; readonly id: string}
  | {readonly kind: 'event'; readonly id: string}
  | {readonly kind: BlockKind | 'script'; readonly id: string}
  | {readonly kind: 'cluster'; readonly name: string}
  | {readonly kind: 'replica'; readonly id: string}
  | {readonly kind: 'leader'; readonly controller: string};

/** Execution blocks, processing blocks and deployments, and their children. */
export type BlockKind = 'eb' | 'eb-state' | 'pb' | 'pb-admission' | 'pb-state' | 'pb-owner' | 'deploy' | 'deploy-state' | 'deploy-owner';

const SCAN_CHILDREN = ['control', 'admission', 'state', 'owner', 'chain', 'progress', 'result', 'ewms', 'legacy'] as const;
type ScanChildKind = (typeof SCAN_CHILDREN)[number];
const SCAN_CHILD_SET: ReadonlySet<string> = new Set(SCAN_CHILDREN);

/** Children of a block, by the block's root. */
const BLOCK_CHILDREN = {
  eb: {state: 'eb-state'},
  pb: {admission: 'pb-admission', state: 'pb-state', owner: 'pb-owner'},
  deploy: {state: 'deploy-state', owner: 'deploy-owner'},
} as const satisfies Record<'eb' | 'pb' | 'deploy', Readonly<Record<string, BlockKind>>>;
const BLOCK_IDS = {eb: BLOCK_ID, pb: BLOCK_ID, deploy: DEPLOYMENT_ID} as const;

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
  if (parts[1] === 'script')
    return parts.length === 3 && parseScriptId(parts[2] as string) !== undefined ? {kind: 'script', id: parts[2] as string} : undefined;
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
    case 'eb':
    case 'pb':
    case 'deploy':
      return blockRef(root, parts);
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

function blockRef(root: 'eb' | 'pb' | 'deploy', parts: readonly string[]): KeyRef | undefined {
  const [, , id, child] = parts;
  if (id === undefined || !BLOCK_IDS[root].test(id)) return undefined;
  if (parts.length === 3) return {kind: root, id};
  const children: Readonly<Record<string, BlockKind>> = BLOCK_CHILDREN[root];
  const kind = parts.length === 4 && Object.hasOwn(children, child as string) ? children[child as string] : undefined;
  return kind === undefined ? undefined : {kind, id};
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
  {pattern: '/backlog/[order]/pb/[id]', holds: 'a batch block that waits, its dependencies being FINISHED', writer: 'scheduler, fenced'},
  {pattern: '/event/[id]', holds: 'an i3 event, or the header of its blob', writer: 'API or operator'},
  {pattern: '/eb/[id]', holds: 'an execution block: its scan types, its processing blocks, its status', writer: 'API or operator, compare-and-set'},
  {pattern: '/eb/[id]/state', holds: 'status and current scan, where a newer program keeps them apart', writer: 'that program, else API'},
  {pattern: '/pb/[id]', holds: 'a processing block: script, parameters, dependencies; immutable', writer: 'API or operator, once'},
  {pattern: '/pb/[id]/admission', holds: 'that a batch block may run: slots granted', writer: 'scheduler, fenced; processing controller removes it'},
  {
    pattern: '/pb/[id]/state',
    holds: 'status, resources_available, reason, receive addresses',
    writer: 'processing controller, fenced; the script that owns it',
  },
  {pattern: '/pb/[id]/owner', holds: 'which process runs its script; leased', writer: 'that process, or API for it'},
  {pattern: '/script/[kind]:[name]:[version]', holds: 'image or command of a processing script', writer: 'API or operator'},
  {pattern: '/deploy/[id]', holds: 'what is to run: type and arguments', writer: 'processing controller, script or API'},
  {pattern: '/deploy/[id]/state', holds: 'what became of it: status, tries', writer: 'its owner, fenced'},
  {pattern: '/deploy/[id]/owner', holds: 'which replica runs this deployment; leased', writer: 'the elected controller'},
  {pattern: '/lmc/subarray/[nn]', holds: 'a subarray: its state, its execution block', writer: 'programs that use the library'},
  {pattern: '/lmc/controller', holds: 'the controller of the subarrays', writer: 'programs that use the library'},
  {pattern: '/cluster/[name]', holds: 'where jobs run: engine, capacity, settings', writer: 'operator, or the configuration at start'},
  {pattern: '/replica/[id]', holds: 'a live process; leased', writer: 'that process'},
  {pattern: '/leader/[controller]', holds: 'who leads scheduler, janitor, watchdog or processing; leased', writer: 'that process'},
  {pattern: '~blob/[kind]/[referrer]/[digest]/[n]', holds: 'compressed chunks of anything large', writer: 'whoever writes the header'},
  {pattern: '~log/[id]/[job]/[try]', holds: 'log entry of one try', writer: 'the owner, fenced; API, for executors'},
  {pattern: '~idempotency/[digest]', holds: 'what a request with an Idempotency-Key made; leased', writer: 'API, with what it made'},
  {pattern: '~space', holds: 'the revision that was compacted last', writer: 'whoever compacts'},
];
