import type {Scan} from '../../model/manifest.ts';
import type {RouteDeps} from '../deps.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {findMember, memberNames} from '../json/json-members.ts';
import {parseCreateBody} from '../scans/create-body.ts';
import {createScan} from '../scans/create.ts';
import type {DockerTags} from '../scans/docker-tag.ts';
import {checkCreateScan} from '../scans/schema.ts';

const NO_ARGS = Buffer.from('{}');

/**
 * Makes a sky scan of a request for one: its arguments are the body of POST /scan, and are checked as there. They are taken as they were written, since
 * `nsides` has an order that JavaScript's objects do not keep.
 *
 * @param body of POST /requests, which is JSON
 * @throws ApiError `invalid`. As `createScan`
 */
export async function createSkyScan(
  deps: RouteDeps,
  tags: DockerTags,
  body: Buffer,
  {user, remember}: {readonly user: string | undefined; readonly remember: Remember},
): Promise<Scan> {
  const {body: asked, outline} = await parseCreateBody(argsIn(body), checkCreateScan);
  return createScan(deps, tags, asked, outline, {user, remember});
}

/** The bytes of the arguments. Their name counts without its case; of several, the last. */
function argsIn(body: Buffer): Buffer {
  const name = memberNames(body, 0).findLast((each) => each.toLowerCase() === 'args');
  const range = name === undefined ? undefined : findMember(body, name);
  return range === undefined || body[range.start] !== 0x7b ? NO_ARGS : body.subarray(range.start, range.end);
}
