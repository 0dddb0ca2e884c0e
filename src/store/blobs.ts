import type {BlobHeader} from '../schema/blob.ts';
import type {BlobKind} from '../schema/keys.ts';
import type {Compare, Op, Revision} from './store.ts';

/** A blob whose chunks are stored: the header to write, what that write must compare, and what it must delete of the blob it replaces. */
export interface StagedBlob {
  readonly header: BlobHeader;
  /** All chunks exist. */
  readonly compares: readonly Compare[];
  /** Deletes the chunks of the blob that this one replaces, if that is another. */
  readonly ops: readonly Op[];
}

/**
 * Large values: compressed (zstd), cut into chunks under `~blob/`, named by the SHA-256 of the plain bytes, owned by one referrer.
 *
 * Staging is safe to repeat and invisible until the header is written. What is staged and never referred to, the janitor removes.
 */
export interface Blobs {
  /** Stores the chunks of `content` for `referrer`. `replaces`: the header that stands there now. @throws ControlPlaneError `too_large` above 100 MiB. */
  stage(kind: BlobKind, referrer: string, content: Uint8Array, replaces?: BlobHeader): Promise<StagedBlob>;
  /** The plain bytes. @throws ControlPlaneError `not_found`: chunks are missing (replaced meanwhile: read the header again). `internal`: the digest does not match. */
  read(kind: BlobKind, referrer: string, header: BlobHeader): Promise<Buffer>;
  /**
   * The plain bytes piece by piece, read as they are asked for: a few chunks are in memory, whatever the size. `revision` is one at which the header
   * stands; the chunks are read as of it, while etcd keeps its history, and so cannot be replaced in between.
   *
   * @throws ControlPlaneError as `read`; from the iteration too, so that the bytes are right only once it has ended well.
   */
  open(kind: BlobKind, referrer: string, header: BlobHeader, revision: Revision): Promise<AsyncIterable<Buffer>>;
  /** What deletes all blobs of a referrer. */
  deleteOps(kind: BlobKind, referrer: string): readonly Op[];
}
