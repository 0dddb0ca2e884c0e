import {parsePlainJson} from '../../lib/plain-json.ts';
import type {Scan} from '../../model/manifest.ts';
import type {RouteDeps} from '../deps.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {findMember, memberNames} from '../json/json-members.ts';
import {parseCreateBody} from '../scans/create-body.ts';
import {createScan} from '../scans/create.ts';
import type {DockerTags} from '../scans/docker-tag.ts';
import {checkCreateScan} from '../scans/schema.ts';

const NO_ARGS = Buffer.from('{}');
const QUOTE = 0x22;
/** Arguments that are numbers, lists or mappings. The command line, which has texts alone, gives them as JSON. */
const NO_TEXTS = [
  ...['nsides', 'request_clusters', 'cluster', 'max_pixel_reco_time', 'predictive_scanning_threshold', 'classifiers', 'priority'],
  ...['scanner_server_env_from_user', 'scanner_server_env'],
];

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
  const {body: asked, outline} = await parseCreateBody(withoutTexts(argsIn(body)), checkCreateScan);
  return createScan(deps, tags, asked, outline, {user, remember});
}

/** The arguments, those that are no texts written out where they came as one. What is no JSON stays as it is, and is refused. */
function withoutTexts(args: Buffer): Buffer {
  let written = args;
  for (const name of NO_TEXTS) {
    const range = findMember(written, name);
    if (range === undefined || written[range.start] !== QUOTE) continue;
    const text = JSON.parse(written.toString('utf8', range.start, range.end)) as string;
    if (isPlainJson(text)) written = Buffer.concat([written.subarray(0, range.start), Buffer.from(text), written.subarray(range.end)]);
  }
  return written;
}

function isPlainJson(text: string): boolean {
  try {
    parsePlainJson(text);
    return true;
  } catch {
    return false;
  }
}

/** The bytes of the arguments. Their name counts without its case; of several, the last. */
function argsIn(body: Buffer): Buffer {
  const name = memberNames(body, 0).findLast((each) => each.toLowerCase() === 'args');
  const range = name === undefined ? undefined : findMember(body, name);
  return range === undefined || body[range.start] !== 0x7b ? NO_ARGS : body.subarray(range.start, range.end);
}
