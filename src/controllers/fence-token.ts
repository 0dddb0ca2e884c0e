import type {FenceToken} from '../schema/job.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';

/** What engines are shown of our right to a job: higher than that of every owner before us, also of one before a restore. */
export function fenceToken(cache: Cache, writer: FencedWriter): FenceToken {
  return {epoch: cache.meta?.value.epoch ?? 1, revision: writer.createRevision};
}
