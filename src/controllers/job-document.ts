import {DOCUMENT_BYTES} from '../engines/engine.ts';
import type {JobRef} from '../engines/engine.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {parseGoDuration} from '../lib/go-duration.ts';
import {isJsonObject} from '../lib/plain-json.ts';
import type {HostRun, JobDocument} from '../jobs/document.ts';
import {argText, fillText} from '../jobs/fill.ts';
import type {PlannedJob} from '../schema/chain.ts';
import type {JobType} from '../schema/job-type.ts';

/** What is the same for all jobs of this replica. */
export interface JobHostConfig {
  /** Command line of the job host. */
  readonly host: readonly string[];
  /** The module of job classes: an absolute path; absent: there is none. */
  readonly module?: string;
}

/** One try of a job of a chain, and what it is to know. */
export interface LaunchInput {
  readonly ref: JobRef;
  readonly requestType: string;
  readonly planned: PlannedJob;
  /** How its type is run; absent where its chain does not say. */
  readonly runs: JobType | undefined;
  /** What its parents hand on, and what its earlier tries have set. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Where it may report, and with which token. */
  readonly report: {readonly url: string; readonly token: string};
}

/** What of a JobSpec depends on the job alone. */
export interface JobLaunch {
  readonly command: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  readonly document: string;
  readonly timeoutMs?: number;
}

/** An HTTP call that says no longest duration has this one. */
const HTTP_TIMEOUT_MS = 60_000;
/** Bytes of one argument in the environment, and of all. Linux takes 128 KiB for one and some MiB in all; what is larger is in the document alone. */
const ARG_BYTES = 32 * 1024;
const ARGS_BYTES = 256 * 1024;

/**
 * The command, the environment and the document of a try.
 *
 * Arguments take the place of `${name}` within one part of the command each: no shell sees them, unless the command is one.
 *
 * @throws ControlPlaneError `invalid`: this job cannot be run. `too_large`: its document.
 */
export function jobLaunch(input: LaunchInput, config: JobHostConfig): JobLaunch {
  const {ref, planned, runs} = input;
  if (runs === undefined) throw new ControlPlaneError('invalid', `unknown job type ${planned.type}`);
  const {run} = runs;
  const args = argsOf(planned, runs);
  const timeoutMs = durationMs(planned.timeout ?? runs.timeout);
  const hostRun = hostRunOf(planned, runs, config, timeoutMs);
  const document: JobDocument = {
    request_id: ref.scanId,
    request_type: input.requestType,
    job_id: ref.job,
    name: planned.name ?? ref.job,
    type: planned.type,
    try: ref.try,
    args,
    data: input.data,
    ...(hostRun === undefined ? {} : {run: hostRun}),
  };
  const text = JSON.stringify(document);
  if (Buffer.byteLength(text) > DOCUMENT_BYTES) {
    throw new ControlPlaneError('too_large', `the arguments and data of job ${document.name} are larger than ${DOCUMENT_BYTES} bytes together`);
  }
  return {
    command: run.kind === 'command' ? filled(run.command, args, document.name) : config.host,
    env: [
      ...(run.kind === 'command' ? (run.env ?? []) : []),
      ...argEnvironment(args),
      ['SCANPLANE_REQUEST_ID', document.request_id],
      ['SCANPLANE_REQUEST_TYPE', document.request_type],
      ['SCANPLANE_JOB_ID', document.job_id],
      ['SCANPLANE_JOB_NAME', document.name],
      ['SCANPLANE_JOB_TYPE', document.type],
      ['SCANPLANE_TRY', String(document.try)],
      ['SCANPLANE_REPORT_URL', input.report.url],
      ['SCANPLANE_REPORT_TOKEN', input.report.token],
    ],
    document: text,
    ...(timeoutMs === undefined ? {} : {timeoutMs}),
  };
}

/** The arguments as creation left them: what it changed for a command or an HTTP call is what it serialised. */
function argsOf(planned: PlannedJob, {run}: JobType): Readonly<Record<string, unknown>> {
  if (run.kind === 'class' || planned.bytes === undefined) return planned.args ?? {};
  let args: unknown;
  try {
    args = JSON.parse(Buffer.from(planned.bytes, 'base64').toString());
  } catch {
    args = undefined; // as if it were no object
  }
  if (!isJsonObject(args)) throw new ControlPlaneError('invalid', `the bytes of a job of type ${planned.type} are not its arguments as JSON`);
  return args;
}

function hostRunOf(planned: PlannedJob, {run}: JobType, {module}: JobHostConfig, timeoutMs: number | undefined): HostRun | undefined {
  switch (run.kind) {
    case 'command':
      return undefined;
    case 'http':
      return {kind: 'http', http: run, timeout_ms: timeoutMs ?? HTTP_TIMEOUT_MS};
    case 'class':
      if (module === undefined)
        throw new ControlPlaneError('invalid', `job type ${planned.type} is a class, and no module of job classes is configured`);
      return {kind: 'class', module, bytes: planned.bytes ?? ''};
  }
}

function filled(command: readonly string[], args: Readonly<Record<string, unknown>>, name: string): string[] {
  try {
    return command.map((part) => fillText(part, args));
  } catch (err) {
    throw new ControlPlaneError('invalid', `job ${name}: ${(err as Error).message}`, {cause: err});
  }
}

/** Milliseconds of a Go duration. @throws ControlPlaneError `invalid` */
function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseGoDuration(text);
  if (ms === undefined || !(ms > 0)) throw new ControlPlaneError('invalid', `the timeout ${JSON.stringify(text)} is no duration above 0`);
  return ms;
}

/** `ARG_<NAME>` for each argument that fits into an environment; of two with the same name there the first. */
function argEnvironment(args: Readonly<Record<string, unknown>>): [string, string][] {
  const env = new Map<string, string>();
  let left = ARGS_BYTES;
  for (const [name, value] of Object.entries(args)) {
    const variable = `ARG_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;
    const text = argText(value);
    const bytes = Buffer.byteLength(text);
    if (env.has(variable) || text.includes('\0') || bytes > ARG_BYTES || bytes > left) continue;
    left -= bytes;
    env.set(variable, text);
  }
  return [...env];
}
