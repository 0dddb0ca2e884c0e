import type {BlobHeader} from '../schema/blob.ts';
import type {BlobKind} from '../schema/keys.ts';
import type {RouteDeps} from './deps.ts';
import {RawJson, StreamedJson} from './json/raw-json.ts';

/** Up to here a stored text is read whole, and then an answer with it can still become an error if something is wrong with it. */
const WHOLE_BYTES = 1024 * 1024;

/**
 * A stored JSON text, for an answer. A large one is read while the answer leaves, as fast as the client takes it.
 *
 * @throws ControlPlaneError `not_found`: it was replaced, read its header again. `internal`: it is damaged.
 */
export async function storedJson(deps: RouteDeps, kind: BlobKind, referrer: string, header: BlobHeader): Promise<RawJson | StreamedJson> {
  if (header.size <= WHOLE_BYTES) return new RawJson(await deps.blobs.read(kind, referrer, header));
  // At a revision at which the header stands, and so its chunks: the answer stays whole although they may be replaced meanwhile.
  return new StreamedJson(header.size, await deps.blobs.open(kind, referrer, header, deps.cache.revision));
}
