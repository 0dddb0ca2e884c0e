import {ControlPlaneError} from '../lib/errors.ts';
import {plainProblem} from '../lib/plain-json.ts';
import {NOOP, SKYMAP_JOB_TYPES} from '../schema/chain.ts';
import type {JobType} from '../schema/job-type.ts';
import type {JobMaker, JobToMake, JobTypes, MadeJob} from '../specs/job-maker.ts';
import {present} from '../specs/draft.ts';
import type {JobTypeSpec} from '../specs/spec.ts';
import type {ClassMaker} from './class-maker.ts';
import {fillText, fillValue} from './fill.ts';
import {httpRequest} from './http-request.ts';
import {ARGS_BYTES} from './make-request.ts';

/** The largest part of a command that Linux takes. @see https://man7.org/linux/man-pages/man2/execve.2.html (MAX_ARG_STRLEN) */
const PART_BYTES = 128 * 1024 - 1;

/** Types that the program itself knows: nothing is created for them. */
const BUILT_IN: ReadonlySet<string> = new Set([NOOP, ...SKYMAP_JOB_TYPES]);

/**
 * Creates jobs of the types that specs declare, and of those that the module of job classes knows.
 *
 * The arguments of a command or an HTTP call that its `sets` have changed are what it serialises, as JSON, since a chain keeps those from before.
 */
export class SpecJobMaker implements JobMaker, JobTypes {
  readonly #types: ReadonlyMap<string, JobTypeSpec>;
  readonly #classes: Pick<ClassMaker, 'make'> | undefined;

  /** Without `classes` there is no module. */
  constructor(types: ReadonlyMap<string, JobTypeSpec>, classes: Pick<ClassMaker, 'make'> | undefined) {
    this.#types = types;
    this.#classes = classes;
  }

  /** What the module of job classes knows is told only by its process: a type that is declared nowhere is taken for one of its. */
  typeOf(type: string): JobType | undefined {
    if (BUILT_IN.has(type)) return undefined;
    const declared = this.#types.get(type);
    const runs: JobType = declared === undefined ? {run: {kind: 'class'}} : jobTypeOf(declared);
    return runs.run.kind === 'class' && this.#classes === undefined ? undefined : runs;
  }

  async make(job: JobToMake): Promise<MadeJob> {
    if (BUILT_IN.has(job.type)) return {args: job.args};
    const declared = this.#types.get(job.type);
    if (declared === undefined && this.#classes === undefined) throw new ControlPlaneError('invalid', `unknown job type ${job.type}`);
    const args = withSets(declared, job);
    const runs: JobType = declared === undefined ? {run: {kind: 'class'}} : jobTypeOf(declared);
    if (runs.run.kind === 'class') {
      if (this.#classes === undefined)
        throw new ControlPlaneError('invalid', `job type ${job.type} is a class, and no module of job classes is configured`);
      return {...(await this.#classes.make({...job, args})), runs};
    }
    checkArgs(runs, job, args);
    const bytes = declared?.sets === undefined ? {} : {bytes: Buffer.from(JSON.stringify(args)).toString('base64')};
    return {args, ...bytes, runs};
  }
}

/** What of a declaration a chain keeps. */
function jobTypeOf({run, cluster, count, timeout, image, resources}: JobTypeSpec): JobType {
  return present<JobType>({run, cluster, count, timeout, image, resources});
}

function withSets(declared: JobTypeSpec | undefined, job: JobToMake): Readonly<Record<string, unknown>> {
  try {
    const args = declared?.sets === undefined ? job.args : {...job.args, ...(fillValue(declared.sets, job.args) as Record<string, unknown>)};
    const problem = plainProblem(args);
    if (problem !== undefined) throw new Error(`its arguments cannot be kept: ${problem}`);
    if (Buffer.byteLength(JSON.stringify(args)) > ARGS_BYTES) throw new Error(`its arguments are larger than ${ARGS_BYTES} bytes`);
    return args;
  } catch (err) {
    throw refused(job, err);
  }
}

/** Fills everything that has placeholders, so that what is wrong with an argument is known now and not when the job runs. */
function checkArgs({run}: JobType, job: JobToMake, args: Readonly<Record<string, unknown>>): void {
  try {
    if (run.kind === 'http') httpRequest(run, args);
    if (run.kind !== 'command') return;
    const filled = run.command.map((part) => fillText(part, args));
    if (filled.some((part) => part.includes('\0'))) throw new Error('its command would hold a null byte');
    if (filled[0] === '') throw new Error('its command would begin with nothing');
    const long = filled.findIndex((part) => Buffer.byteLength(part) > PART_BYTES);
    if (long >= 0) throw new Error(`part ${long + 1} of its command would be larger than ${PART_BYTES} bytes; its document has all arguments`);
  } catch (err) {
    throw refused(job, err);
  }
}

function refused(job: JobToMake, err: unknown): ControlPlaneError {
  return new ControlPlaneError('invalid', `job ${job.name} (type ${job.type}): ${(err as Error).message}`, {cause: err});
}
