import {createHash} from 'node:crypto';
import type {Hash} from 'node:crypto';
import {pipeline} from 'node:stream/promises';
import {promisify} from 'node:util';
import {constants, createZstdCompress, createZstdDecompress, zstdCompress, zstdDecompress} from 'node:zlib';
import type {ZstdOptions} from 'node:zlib';
import {ControlPlaneError} from '../lib/errors.ts';
import type {ControlPlaneErrorOptions} from '../lib/errors.ts';
import {ownTurn} from '../lib/turn.ts';
import type {BlobHeader} from '../schema/blob.ts';

// Looked up with each call: a simulation puts others in their place.
const compressWhole = (content: Uint8Array, options: ZstdOptions): Promise<Buffer> => promisify(zstdCompress)(content, options);
const decompressWhole = (content: Uint8Array, options: ZstdOptions): Promise<Buffer> => promisify(zstdDecompress)(content, options);

/** One chunk and its key per request, well below etcd's 1.5 MiB. 100 MiB that do not compress at all are 102 chunks. */
export const CHUNK_BYTES = 1024 * 1024 - 4096;
/** Worked on in one go on the main thread: about a millisecond. */
const SLICE_BYTES = 1024 * 1024;
/** Plain bytes that come out of the decompressor at once. */
const PLAIN_BYTES = 256 * 1024;
const PARAMS = {[constants.ZSTD_c_compressionLevel]: 3};

/**
 * The SHA-256 of bytes, in hex.
 *
 * In slices on this thread: to have it done on another one, WebCrypto copies everything at once first.
 */
export async function sha256(content: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < content.length; at += SLICE_BYTES) {
    if (content.length > SLICE_BYTES) await ownTurn();
    hash.update(content.subarray(at, at + SLICE_BYTES));
  }
  return hash.digest('hex');
}

/** Compressed bytes in chunks of {@link CHUNK_BYTES}, the last one shorter. Equal content gives equal chunks. */
export async function* compressed(content: Uint8Array): AsyncGenerator<Buffer> {
  if (content.length <= SLICE_BYTES) {
    yield* cut(await compressWhole(content, {params: PARAMS}));
    return;
  }
  const zstd = createZstdCompress({params: PARAMS, chunkSize: CHUNK_BYTES});
  zstd.end(content);
  let pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of zstd as AsyncIterable<Buffer>) {
    pieces.push(piece);
    size += piece.length;
    if (size < CHUNK_BYTES) continue;
    const [chunk, rest] = cut(Buffer.concat(pieces));
    yield chunk as Buffer;
    pieces = rest === undefined ? [] : [rest];
    size -= (chunk as Buffer).length;
  }
  if (size > 0) yield Buffer.concat(pieces);
}

function cut(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  return chunks;
}

/**
 * The plain bytes of a blob from its chunks, piece by piece.
 *
 * @throws ControlPlaneError `internal`, at the latest after the last piece: they are not what the header says.
 */
export async function* plainPieces(chunks: AsyncIterable<Buffer>, header: BlobHeader): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of inflated(chunks)) {
    size += piece.length;
    // Damaged or forged chunks shall fill neither the memory nor the answer.
    if (size > header.size) throw damaged();
    hash.update(piece);
    yield piece;
  }
  if (!matches(hash, size, header)) throw damaged();
}

/** The plain bytes of a blob as a whole; `undefined` if they are not what the header says. */
export async function plainWhole(chunks: readonly Buffer[], header: Pick<BlobHeader, 'size' | 'digest'>): Promise<Buffer | undefined> {
  const hash = createHash('sha256');
  try {
    if (header.size <= SLICE_BYTES) {
      // 0 is not taken for a limit.
      const content = await decompressWhole(Buffer.concat(chunks), {maxOutputLength: Math.max(header.size, 1)});
      return matches(hash.update(content), content.length, header) ? content : undefined;
    }
    const content = Buffer.allocUnsafeSlow(header.size);
    let size = 0;
    for await (const piece of inflated(chunks)) {
      if (size + piece.length > header.size) return undefined;
      hash.update(piece);
      size += piece.copy(content, size);
    }
    return matches(hash, size, header) ? content : undefined;
  } catch {
    return undefined;
  }
}

async function* inflated(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  const zstd = createZstdDecompress({chunkSize: PLAIN_BYTES});
  // A failure of it comes out of the loop below as well.
  pipeline(chunks, zstd).catch(() => {});
  try {
    yield* zstd as AsyncIterable<Buffer>;
  } catch (err) {
    // What went wrong with the chunks is said as it is.
    throw err instanceof ControlPlaneError ? err : damaged({cause: err});
  }
}

function matches(hash: Hash, size: number, header: Pick<BlobHeader, 'size' | 'digest'>): boolean {
  return size === header.size && hash.digest('hex') === header.digest;
}

export function damaged(options?: ControlPlaneErrorOptions): ControlPlaneError {
  return new ControlPlaneError('internal', 'a stored blob is damaged: its content does not match its digest', options);
}
