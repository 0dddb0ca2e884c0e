import {ControlPlaneError} from '../lib/errors.ts';
import {checkKey, checkPath, listing} from '../store/paths.ts';
import type {Levels} from '../store/paths.ts';
import type {Compare, KeyValue, LeaseId, Op, RangeResult, Revision, Store} from '../store/store.ts';
import {leaseId, textOf} from '../store/put-options.ts';
import type {PutOptions, Text} from '../store/put-options.ts';

/** What a key holds. */
export interface Reading {
  /** `undefined`: there is no such key. */
  readonly text: string | undefined;
  /** The database's revision at which it was read. */
  readonly revision: Revision;
  /** The key's own: that of its last change. `undefined` for an absent key. */
  readonly modRevision: Revision | undefined;
  /** The lease it is attached to; `'0'` for none. */
  readonly lease: LeaseId;
}

export interface DeleteOptions {
  /** Whether an absent key is an error, and then nothing at all is deleted. Default `true`. */
  readonly mustExist?: boolean;
  /** Also everything below: keys that start with the path and "/". */
  readonly recursive?: boolean;
  /** Also siblings: keys of the same level that start with the path. With `recursive` everything that starts with it. */
  readonly prefix?: boolean;
}

/** How often an update that only keeps the key's lease is tried against others who write the key. */
const MAX_RETRIES = 64;

/** @throws ControlPlaneError `invalid`: a malformed path; `revision_conflict`: that revision has been compacted */
export async function readKey(store: Store, path: string, at?: Revision): Promise<Reading> {
  checkKey(path);
  // Unlike a get, a range says at which revision it was read.
  const {entries, revision} = await store.range(path, {limit: 1, ...(at === undefined ? {} : {revision: at})});
  const entry = entries[0]?.key === path ? entries[0] : undefined;
  return {text: entry?.value.toString(), revision, modRevision: entry?.modRevision, lease: entry?.lease ?? '0'};
}

/** @returns the mod revision. @throws ControlPlaneError `already_exists`, with the key; `not_found`: the lease is gone */
export async function createKey(store: Store, path: string, value: Text, options: PutOptions = {}): Promise<Revision> {
  checkKey(path);
  const result = await store.commit({compares: [{key: path, modRevision: 0}], ops: [put(path, value, leaseId(options.lease))]});
  if (!result.ok) throw new ControlPlaneError('already_exists', `cannot create ${path}, as it already exists`, {key: path});
  return result.revision;
}

/**
 * Keeps the key's lease, unless another is given.
 *
 * @param expected the mod revision that the key must have, or the reading that has it
 * @returns the new mod revision
 * @throws ControlPlaneError `not_found`; `revision_conflict`: it is not the expected revision; `invalid`: the reading is of an absent key
 */
export async function updateKey(
  store: Store,
  path: string,
  value: Text,
  options: PutOptions & {readonly expected?: Revision | Reading} = {},
): Promise<Revision> {
  checkKey(path);
  const expected = typeof options.expected === 'object' ? options.expected.modRevision : options.expected;
  if (options.expected !== undefined && expected === undefined) {
    throw new ControlPlaneError('invalid', `cannot update ${path}: the expected revision is that of an absent key`, {key: path});
  }
  let present: KeyValue | undefined = await store.get(path);
  for (let attempt = 0; attempt <= MAX_RETRIES; attempt += 1) {
    if (present === undefined) throw new ControlPlaneError('not_found', `cannot update ${path}, as it does not exist`, {key: path});
    if (expected !== undefined && present.modRevision !== expected) break;
    const op = put(path, value, leaseId(options.lease) ?? present.lease);
    const result = await store.commit({compares: [{key: path, modRevision: present.modRevision}], ops: [op]});
    if (result.ok) return result.revision;
    present = result.found.get(path);
  }
  throw new ControlPlaneError('revision_conflict', `cannot update ${path}, as it has changed`, {key: path});
}

/**
 * One transaction, whatever it takes away.
 *
 * @returns the keys that were there to go, sorted
 * @throws ControlPlaneError `not_found`: nothing was deleted; `too_many_operations`: too many siblings for one transaction; `revision_conflict`:
 *   siblings came and went all the time
 */
export async function deleteKey(store: Store, path: string, options: DeleteOptions = {}): Promise<readonly string[]> {
  const {mustExist = true, recursive = false, prefix = false} = options;
  if (prefix && !mustExist) checkPath(path);
  else checkKey(path);
  for (let attempt = 0; attempt <= MAX_RETRIES; attempt += 1) {
    const {keys, createdUpTo} = await keysToDelete(store, path, {recursive, prefix});
    if (mustExist && !keys.includes(path)) {
      throw new ControlPlaneError('not_found', `cannot delete ${path}, as it does not exist`, {key: path});
    }
    if (keys.length === 0) return keys;
    const compares: Compare[] = mustExist ? [{key: path, exists: true}] : [];
    // A sibling that comes meanwhile would stay behind.
    if (prefix && !recursive) compares.push({prefix: path, createdUpTo});
    if ((await store.commit({compares, ops: deletions(path, keys, {recursive, prefix})})).ok) return keys;
  }
  throw new ControlPlaneError('revision_conflict', `cannot delete ${path}, as keys come and go there`, {key: path});
}

interface Reach {
  readonly recursive: boolean;
  readonly prefix: boolean;
}

async function keysToDelete(store: Store, path: string, {recursive, prefix}: Reach): Promise<{keys: readonly string[]; createdUpTo: Revision}> {
  const {entries, revision} = await store.range(path, {keysOnly: true, ...(recursive || prefix ? {} : {limit: 1})});
  const siblings = listing(path);
  const goes = (key: string): boolean => key === path || (recursive && (prefix || key.startsWith(`${path}/`))) || (prefix && siblings.has(key));
  return {keys: entries.map((entry) => entry.key).filter(goes), createdUpTo: revision};
}

function deletions(path: string, keys: readonly string[], {recursive, prefix}: Reach): Op[] {
  if (recursive) return prefix ? [{deletePrefix: path}] : [{delete: path}, {deletePrefix: `${path}/`}];
  return keys.map((key) => ({delete: key}));
}

/** Keys that start with `path`, sorted, at some levels from its own on, and the revision at which they were all read. */
export async function listKeys(
  store: Store,
  path: string,
  options: {readonly recurse?: Levels; readonly revision?: Revision} = {},
): Promise<{readonly keys: readonly string[]; readonly revision: Revision}> {
  const wanted = listing(path, options.recurse);
  const {entries, revision} = await store.range(path, {keysOnly: true, ...(options.revision === undefined ? {} : {revision: options.revision})});
  const keys = entries.map((entry) => entry.key).filter(wanted.has);
  return {keys: keys.sort(), revision};
}

/** One key of many that were read together. */
export interface KeyText {
  readonly path: string;
  readonly text: string;
  readonly modRevision: Revision;
}

/** Keys read in one request: their values may be large. */
const PAGE = 200;

/** As {@link listKeys}, with what the keys hold, at the same revision. @throws ControlPlaneError `revision_conflict`: it was compacted away meanwhile */
export async function listValues(
  store: Store,
  path: string,
  options: {readonly recurse?: Levels; readonly revision?: Revision} = {},
): Promise<{readonly entries: readonly KeyText[]; readonly revision: Revision}> {
  const wanted = listing(path, options.recurse);
  const entries: KeyText[] = [];
  let {revision} = options;
  for (let from: string | Buffer = path; ;) {
    const page: RangeResult = await store.range(path, {from, limit: PAGE, ...(revision === undefined ? {} : {revision})});
    revision = page.revision;
    for (const {key, value, modRevision} of page.entries) if (wanted.has(key)) entries.push({path: key, text: value.toString(), modRevision});
    if (page.next === undefined) break;
    from = page.next;
  }
  // etcd sorts by bytes, lists by what JavaScript compares.
  return {entries: entries.sort((a, b) => (a.path < b.path ? -1 : 1)), revision};
}

function put(path: string, value: Text, lease: LeaseId | undefined): Op {
  return {put: path, value: textOf(value, path), ...(lease === undefined ? {} : {lease})};
}
