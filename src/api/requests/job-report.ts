import {canonicalJson} from '../../lib/canonical-json.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {plainProblem} from '../../lib/plain-json.ts';
import {openTry} from '../../model/job-table.ts';
import {modRevisionOf} from '../../model/scan-record.ts';
import type {ScanRecord} from '../../model/scan-record.ts';
import {DATA_BYTES} from '../../schema/job-outcome.ts';
import type {Job, JobTry} from '../../schema/job.ts';
import {jobKey, reportKey} from '../../schema/keys.ts';
import type {Report} from '../../schema/report.ts';
import {authenticationFailed, authorizationFailed, badRequest, tooLarge, wrongState} from '../api-error.ts';
import type {Bearer} from '../auth/authenticator.ts';
import type {RouteDeps} from '../deps.ts';

/** What a job may say at once. Each member replaces what it said before; of `data` each key does. */
export interface JobReport {
  readonly status?: string;
  readonly endpoint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

type Deps = Pick<RouteDeps, 'cache' | 'clock' | 'groupCommit'>;

const LIMITS = {status: 4096, endpoint: 1024} as const;
const MEMBERS: ReadonlySet<string> = new Set(['status', 'endpoint', 'data']);
const MAX_ROUNDS = 10;
const CATCH_UP_MS = 2000;

/**
 * Takes what a running job says of itself, for the token of its newest try: `/scan/[id]/report/[job]/[try]`. Safe to repeat.
 *
 * @throws ApiError `invalid`, `too_large`; `forbidden`: no token, or none of this job's newest try; `wrong_state`: that try has ended
 */
export async function takeReport(deps: Deps, requestId: string, jobId: string, token: Bearer | undefined, body: unknown): Promise<void> {
  if (token === undefined) throw authenticationFailed();
  const said = checkReport(body);
  let {record, current} = tryOf(deps, requestId, jobId);
  if (current?.token_digest !== token.digest) {
    await deps.cache.catchUp(); // The try may be newer than what we have seen.
    ({record, current} = tryOf(deps, requestId, jobId));
  }
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (record === undefined || current?.token_digest !== token.digest) throw authorizationFailed();
    if (current.exit !== undefined) throw wrongState('this try has ended');
    const key = reportKey(requestId, jobId, current.try);
    const part = `${jobId}/${current.try}`;
    const before = record.reports?.get(part);
    const result = await deps.groupCommit.commit({
      // The job's record changes when the try ends: a report that comes later is told so.
      compares: [
        {key: jobKey(requestId, jobId), modRevision: modRevisionOf(record, `job/${jobId}`)},
        {key, modRevision: modRevisionOf(record, `report/${part}`)},
      ],
      ops: [{put: key, value: canonicalJson(merged(before?.value, said, deps.clock.now() / 1000))}],
    });
    if (result.ok) return;
    await deps.cache.waitFor(result.revision, CATCH_UP_MS);
    ({record, current} = tryOf(deps, requestId, jobId));
  }
  throw new ControlPlaneError('revision_conflict', 'too many writers at once', {key: reportKey(requestId, jobId, 0)});
}

function tryOf({cache}: Deps, requestId: string, jobId: string): {record: ScanRecord | undefined; current: JobTry | undefined} {
  const record = cache.scans.get(requestId);
  const job = record?.jobs?.get(jobId)?.value;
  return {record, current: job === undefined ? undefined : newestOf(job)};
}

/** The try that runs, else the one that ended last. */
function newestOf(job: Job): JobTry | undefined {
  return openTry(job) ?? job.tries.at(-1);
}

function merged(before: Report | undefined, said: JobReport, updatedAt: number): Report {
  const data = said.data === undefined ? before?.data : {...before?.data, ...said.data};
  if (data !== undefined && Buffer.byteLength(JSON.stringify(data)) > DATA_BYTES) throw tooLarge(`data is larger than ${DATA_BYTES} bytes`);
  return {...before, ...said, ...(data === undefined ? {} : {data}), updated_at: updatedAt};
}

function checkReport(body: unknown): JobReport {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badRequest('the body must be a JSON object');
  const unknown = Object.keys(body).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) throw badRequest(`unknown member ${JSON.stringify(unknown.slice(0, 60))}: a report has status, endpoint and data`);
  const {status, endpoint, data} = body as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries({status, endpoint})) {
    if (value === undefined) continue;
    const limit = LIMITS[name as keyof typeof LIMITS];
    if (typeof value !== 'string' || Buffer.byteLength(value) > limit) throw badRequest(`${name} must be a text of at most ${limit} bytes`);
  }
  if (data !== undefined) {
    if (typeof data !== 'object' || data === null || Array.isArray(data)) throw badRequest('data must be a JSON object');
    const problem = plainProblem(data);
    if (problem !== undefined) throw badRequest(`data cannot be kept: ${problem}`);
  }
  return body;
}
