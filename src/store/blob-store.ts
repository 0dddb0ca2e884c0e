import {must} from '../lib/assert.ts';
import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import type {BlobHeader} from '../schema/blob.ts';
import {blobChunkKey, blobPrefix} from '../schema/keys.ts';
import type {BlobKind} from '../schema/keys.ts';
import {compressed, damaged, plainPieces, plainWhole, sha256} from './blob-codec.ts';
import type {Blobs, StagedBlob} from './blobs.ts';
import type {Compare, Op, Revision, Store} from './store.ts';

/** Largest plain size. */
export const MAX_BLOB_BYTES = 100 * 1024 * 1024;
/** All chunks are compared in the header's transaction, which has room for a few compares more. */
const MAX_CHUNKS = 110;
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
    const replaced: Op[] = replaces === undefined || replaces.digest === digest ? [] : [{deletePrefix: blobPrefix(kind, referrer, replaces.digest)}];
    const chunks = compressed(content);
    const first = must((await chunks.next()).value as Buffer | undefined, 'no bytes are some bytes, compressed');
    // Chunks are full but for the last.
    if (first.length <= TRAVELS_ALONG_BYTES) {
      await this.#room.reserve(first.length);
      const header: BlobHeader = {digest, size: content.length, stored_size: first.length, chunks: 1, compression: 'zstd'};
      return {header, compares: [], ops: [...replaced, {put: blobChunkKey(kind, referrer, digest, 0), value: first}]};
    }
    const staged = await this.#storeChunks({kind, referrer, digest, size: content.length}, startingWith(first, chunks), () => compressed(content));
    const header: BlobHeader = {digest, size: content.length, stored_size: staged.storedSize, chunks: staged.chunks.length, compression: 'zstd'};
    const compares: Compare[] = staged.chunks.map(({key, modRevision}) => ({key, modRevision}));
    return {header, compares, ops: replaced};
  }

  async read(kind: BlobKind, referrer: string, header: BlobHeader): Promise<Buffer> {
    const keys = Array.from({length: header.chunks}, (_, n) => blobChunkKey(kind, referrer, header.digest, n));
    const chunks = await inParallel(keys, (key) => this.#chunk(key));
    const content = await plainWhole(chunks, header);
    if (content === undefined) throw damaged({key: blobPrefix(kind, referrer, header.digest)});
    return content;
  }

  async open(kind: BlobKind, referrer: string, header: BlobHeader, revision: Revision): Promise<AsyncIterable<Buffer>> {
    const chunkAt = (n: number): Promise<Buffer> => this.#chunk(blobChunkKey(kind, referrer, header.digest, n), revision);
    const first = await chunkAt(0);
    return plainPieces(readAhead(first, header.chunks, chunkAt), header);
  }

  /** One chunk, as of a revision where that has not been compacted. */
  async #chunk(key: string, revision?: Revision): Promise<Buffer> {
    const entry = await this.#store.get(key, revision === undefined ? {} : {revision}).catch((err: unknown) => {
      if (revision === undefined || !hasCode(err, 'revision_conflict')) throw err;
      return this.#store.get(key);
    });
    if (entry === undefined) throw new ControlPlaneError('not_found', 'the blob is gone or was replaced; read its header again', {key});
    return entry.value;
  }

  deleteOps(kind: BlobKind, referrer: string): readonly Op[] {
    return [{deletePrefix: blobsOf(kind, referrer)}];
  }

  /** Stores chunks as they come. `again` gives them once more. */
  async #storeChunks(blob: BlobName, chunks: AsyncIterable<Buffer>, again: () => AsyncIterable<Buffer>): Promise<StoredChunks> {
    let storedSize = 0;
    const own = await inParallel(chunks, async (chunk, n) => {
      storedSize += chunk.length;
      return this.#put(chunkKey(blob, n), chunk);
    });
    if (own.every((chunk) => chunk !== undefined)) return {chunks: own, storedSize};
    // Other bytes stand there: the same content from another version of the compressor, or damage.
    const standing = await this.#standing(blob);
    if (standing !== undefined) return standing;
    const repaired = await inParallel(again(), async (chunk, n) => this.#overwrite(chunkKey(blob, n), chunk));
    return {chunks: repaired, storedSize};
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
    if ((await plainWhole(values, blob)) === undefined) return undefined;
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

function total(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** Chunks in order, the next one on its way while one is used. Not more: a reader that is slow holds them for long. */
async function* readAhead(first: Buffer, count: number, chunkAt: (n: number) => Promise<Buffer>): AsyncGenerator<Buffer> {
  let chunk = first;
  for (let next = 1; next < count; next += 1) {
    const ahead = chunkAt(next);
    ahead.catch(() => {}); // Whoever stops reading never hears of it.
    yield chunk;
    chunk = await ahead;
  }
  yield chunk;
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
async function inParallel<T, R>(items: Iterable<T> | AsyncIterable<T>, step: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let count = 0;
  let failure: {readonly thrown: unknown} | undefined;
  // All workers take from the same one.
  const shared = (async function* (): AsyncGenerator<readonly [number, T]> {
    for await (const item of items) yield [count++, item];
  })();
  const worker = async (): Promise<void> => {
    try {
      for await (const [i, item] of shared) {
        if (failure !== undefined) return;
        results[i] = await step(item, i);
      }
    } catch (err) {
      failure ??= {thrown: err};
    }
  };
  await Promise.all(Array.from({length: IN_FLIGHT}, worker));
  if (failure !== undefined) throw failure.thrown;
  return results;
}
