import {webcrypto} from 'node:crypto';
import {promisify} from 'node:util';
import {constants, zstdCompress, zstdDecompress} from 'node:zlib';
import {must} from '../lib/assert.ts';
import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import type {BlobHeader} from '../schema/blob.ts';
import {blobChunkKey, blobPrefix} from '../schema/keys.ts';
import type {BlobKind} from '../schema/keys.ts';
import type {Blobs, StagedBlob} from './blobs.ts';
import type {Compare, Op, Revision, Store} from './store.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Largest plain size. */
export const MAX_BLOB_BYTES = 100 * 1024 * 1024;
/** One chunk and its key per request, well below etcd's 1.5 MiB. 100 MiB that do not compress at all are 102 chunks. */
const CHUNK_BYTES = 1024 * 1024 - 4096;
/** All chunks are compared in the header's transaction, which has room for a few compares more. */
const MAX_CHUNKS = 110;
const LEVEL = 3;
/** Chunks on their way at once. */
const IN_FLIGHT = 3;
const TRIES = 4;
const RETRY_PAUSE_MS = 100;

/** Waits until the database has room for so many bytes, and counts them. @see Space */
export interface Room {
  reserve(bytes: number): Promise<void>;
}

const UNLIMITED: Room = {reserve: async () => {}};

/** A chunk that stands in the database as it should. */
interface StoredChunk {
  readonly key: string;
  readonly modRevision: Revision;
}

/** A blob that is one chunk of at most so much is written in its header's own transaction, not before it. */
const TRAVELS_ALONG_BYTES = 64 * 1024;

interface StoredChunks {
  readonly chunks: readonly StoredChunk[];
  readonly storedSize: number;
}

interface BlobName {
  readonly kind: BlobKind;
  readonly referrer: string;
  readonly digest: string;
  readonly size: number;
}

/**
 * Blobs as chunks in the store.
 *
 * Several writers at once: whoever's header goes through deletes the chunks of what it replaced in the same transaction, and each header's
 * transaction compares the very writes of its chunks, so a header never stands over chunks that someone deleted or wrote anew. Who is refused
 * stages again (what is there already is taken as it is) with the header that stands now. A reader whose chunks vanish reads the header again.
 */
export class BlobStore implements Blobs {
  readonly #store: Store;
  readonly #room: Room;

  constructor(store: Store, room: Room = UNLIMITED) {
    this.#store = store;
    this.#room = room;
  }

  /** @throws ControlPlaneError `too_large`; `unavailable`, `unknown_outcome`: some chunks may be there, staging again goes on from them. */
  async stage(kind: BlobKind, referrer: string, content: Uint8Array, replaces?: BlobHeader): Promise<StagedBlob> {
    if (content.length > MAX_BLOB_BYTES) {
      throw new ControlPlaneError('too_large', `${content.length} bytes, ${MAX_BLOB_BYTES} are allowed`);
    }
    const digest = await sha256(content);
    const compressed = await compress(content, {params: {[constants.ZSTD_c_compressionLevel]: LEVEL}});
    const chunks = cut(compressed);
    const replaced: Op[] = replaces === undefined || replaces.digest === digest ? [] : [{deletePrefix: blobPrefix(kind, referrer, replaces.digest)}];
    const only = chunks.length === 1 ? chunks[0] : undefined;
    if (only !== undefined && only.length <= TRAVELS_ALONG_BYTES) {
      await this.#room.reserve(only.length);
      const header: BlobHeader = {digest, size: content.length, stored_size: only.length, chunks: 1, compression: 'zstd'};
      return {header, compares: [], ops: [...replaced, {put: blobChunkKey(kind, referrer, digest, 0), value: only}]};
    }
    const staged = await this.#storeChunks({kind, referrer, digest, size: content.length}, chunks);
    const header: BlobHeader = {digest, size: content.length, stored_size: staged.storedSize, chunks: staged.chunks.length, compression: 'zstd'};
    const compares: Compare[] = staged.chunks.map(({key, modRevision}) => ({key, modRevision}));
    return {header, compares, ops: replaced};
  }

  async read(kind: BlobKind, referrer: string, header: BlobHeader): Promise<Buffer> {
    const keys = Array.from({length: header.chunks}, (_, n) => blobChunkKey(kind, referrer, header.digest, n));
    const chunks = await inParallel(keys, async (key) => {
      const entry = await this.#store.get(key);
      if (entry === undefined) throw new ControlPlaneError('not_found', 'the blob is gone or was replaced; read its header again', {key});
      return entry.value;
    });
    const content = await plain(chunks, header.size);
    if (content === undefined || content.length !== header.size || (await sha256(content)) !== header.digest) {
      throw new ControlPlaneError('internal', 'a stored blob is damaged: its content does not match its digest', {
        key: blobPrefix(kind, referrer, header.digest),
      });
    }
    return content;
  }

  deleteOps(kind: BlobKind, referrer: string): readonly Op[] {
    return [{deletePrefix: blobsOf(kind, referrer)}];
  }

  async #storeChunks(blob: BlobName, chunks: readonly Buffer[]): Promise<StoredChunks> {
    const keys = chunks.map((_, n) => chunkKey(blob, n));
    const own = await inParallel(keys, async (key, n) => this.#put(key, must(chunks[n], 'a chunk per key')));
    if (own.every((chunk) => chunk !== undefined)) return {chunks: own, storedSize: total(chunks)};
    // Other bytes stand there: the same content from another version of the compressor, or damage.
    const standing = await this.#standing(blob);
    if (standing !== undefined) return standing;
    const repaired = await inParallel(keys, async (key, n) => this.#overwrite(key, must(chunks[n], 'a chunk per key')));
    return {chunks: repaired, storedSize: total(chunks)};
  }

  /** Stores one chunk; `undefined` if other bytes stand there. Safe to repeat, so an unknown outcome is tried again. */
  async #put(key: string, value: Buffer): Promise<StoredChunk | undefined> {
    await this.#room.reserve(value.length);
    return retried(async () => {
      const result = await this.#store.commit({compares: [{key, createRevision: 0}], ops: [{put: key, value}]});
      if (result.ok) return {key, modRevision: result.revision};
      const found = must(result.found.get(key), 'what refuses a creation is there');
      return found.value.equals(value) ? {key, modRevision: found.modRevision} : undefined;
    });
  }

  async #overwrite(key: string, value: Buffer): Promise<StoredChunk> {
    await this.#room.reserve(value.length);
    return retried(async () => {
      const result = await this.#store.commit({compares: [], ops: [{put: key, value}]});
      return {key, modRevision: result.revision};
    });
  }

  /** What stands under a digest, if it is that content. */
  async #standing(blob: BlobName): Promise<StoredChunks | undefined> {
    const {entries: keys, revision} = await this.#store.range(blobPrefix(blob.kind, blob.referrer, blob.digest), {keysOnly: true});
    if (keys.length > MAX_CHUNKS || keys.some(({key}, n) => key !== chunkKey(blob, n))) return undefined;
    const entries = await inParallel(keys, async ({key}) => must(await this.#store.get(key, {revision}), 'a listed key, at the same revision'));
    const values = entries.map((entry) => entry.value);
    const content = await plain(values, blob.size);
    if (content?.length !== blob.size || (await sha256(content)) !== blob.digest) return undefined;
    return {chunks: entries, storedSize: total(values)};
  }
}

function chunkKey(blob: BlobName, n: number): string {
  return blobChunkKey(blob.kind, blob.referrer, blob.digest, n);
}

/** Prefix of all blobs of one referrer. */
function blobsOf(kind: BlobKind, referrer: string): string {
  // Everything that blobPrefix puts before the digest.
  return blobPrefix(kind, referrer, '').slice(0, -1);
}

/** In hex; off the main thread, which 100 MiB would hold up for a tenth of a second. */
async function sha256(content: Uint8Array): Promise<string> {
  const bytes = content as Uint8Array<ArrayBuffer>;
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

function cut(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length || at === 0; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  return chunks;
}

function total(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** The content of chunks; `undefined` if they are none, or more than `size` bytes come out of them. */
async function plain(chunks: readonly Buffer[], size: number): Promise<Buffer | undefined> {
  try {
    // The limit keeps damaged or forged chunks from filling the memory; 0 is not taken for one.
    return await decompress(Buffer.concat(chunks), {maxOutputLength: Math.max(size, 1)});
  } catch {
    return undefined;
  }
}

async function retried<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await step();
    } catch (err) {
      if (attempt >= TRIES || !hasCode(err, 'unknown_outcome', 'unavailable')) throw err;
    }
    await sleep(RETRY_PAUSE_MS * attempt);
  }
}

/** Maps in order, a bounded number at once. After a failure nothing more is begun, and what was begun is waited for. */
async function inParallel<T, R>(items: readonly T[], step: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  let failure: {readonly thrown: unknown} | undefined;
  const worker = async (): Promise<void> => {
    for (const [i, item] of entries) {
      if (failure !== undefined) return;
      try {
        results[i] = await step(item, i);
      } catch (err) {
        failure ??= {thrown: err};
      }
    }
  };
  await Promise.all(Array.from({length: Math.min(IN_FLIGHT, items.length)}, worker));
  if (failure !== undefined) throw failure.thrown;
  return results;
}
