import type {StateName} from '../schema/state-names.ts';

/**
 * What a module of job classes implements, exported as `scanplane/jobs`. The module itself exports `factory`, a {@link JobFactory}, by that name or as its
 * default. Imports nothing at run time, so that a module may use it anywhere.
 *
 * A job lives twice. When its request is created, in a process beside the API: `make`, `create`, `serialize`. When it runs, in a process of its own on
 * some host: `make`, `deserialize`, `run`. What is to get from one to the other is in the bytes.
 */

/** Which job: its type, its name (that of its node), its id within the request, and the request. */
export interface JobId {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly requestId: string;
}

/** Plain JSON by name. What is not JSON (a date, a class, NaN) fails the job. */
export type JobArgs = Record<string, unknown>;
export type JobData = Record<string, unknown>;

/** How a run ended. Only `state` decides; the rest is for people. */
export interface Return {
  /** COMPLETE is success, STOPPED is not tried again, everything else is a failure. A name, or its number on the wire. */
  readonly state: StateName | number;
  /** A signed 64-bit integer. */
  readonly exit?: number | bigint;
  readonly error?: string | Error;
  /** Appended to what the job has printed itself. */
  readonly stdout?: string;
  readonly stderr?: string;
}

export interface Job {
  /** The id that it was made with; another one is refused. */
  readonly id: JobId;
  /** Reads, sets and changes the arguments: what it sets is what `sets` of a spec hands on. A throw refuses the whole request. */
  create(args: JobArgs): void | Promise<void>;
  serialize(): Uint8Array | string | Promise<Uint8Array | string>;
  deserialize(bytes: Uint8Array): void | Promise<void>;
  /**
   * Does the work. `data` is what the jobs before it and its own earlier tries have set; the keys that it sets or changes are handed on when it completes.
   * A throw is a failure with the exit code 1.
   */
  run(data: JobData): Return | Promise<Return>;
  /** Makes `run` return soon, while it is under way. A job that does not return within the grace is killed. */
  stop(): void | Promise<void>;
  /** What it is doing, in a few words; asked every second while it runs. */
  status(): string;
}

/** Makes jobs. `make` only constructs. @throws JobError `unknown_job_type`, see {@link unknownJobType} */
export interface JobFactory {
  make(id: JobId): Job | Promise<Job>;
}

export type JobErrorKind =
  | 'arg_not_set'
  | 'wrong_arg_type'
  | 'data_key_not_set'
  | 'wrong_data_type'
  | 'run_timeout'
  | 'wrong_job_id'
  | 'unknown_job_type';

/** An error that has a name. Known by its `kind`, not by its class, of which a module may have another copy. */
export class JobError extends Error {
  readonly kind: JobErrorKind;

  constructor(kind: JobErrorKind, message: string) {
    super(message);
    this.name = 'JobError';
    this.kind = kind;
  }
}

export const argNotSet = (name: string): JobError => new JobError('arg_not_set', `arg ${name} is not set`);
export const wrongArgType = (name: string, value: unknown, expected: string): JobError =>
  new JobError('wrong_arg_type', `arg ${name} is ${typeName(value)}, expected ${expected}`);
export const dataKeyNotSet = (key: string): JobError => new JobError('data_key_not_set', `data key ${key} is not set`);
export const wrongDataType = (key: string, value: unknown, expected: string): JobError =>
  new JobError('wrong_data_type', `data key ${key} is ${typeName(value)}, expected ${expected}`);
export const runTimeout = (afterMs: number): JobError => new JobError('run_timeout', `run took longer than ${afterMs / 1000} s`);
export const wrongJobId = (given: JobId, expected: JobId): JobError =>
  new JobError('wrong_job_id', `the job made for ${idText(expected)} says that it is ${idText(given)}`);
export const unknownJobType = (type: string): JobError => new JobError('unknown_job_type', `unknown job type ${type}`);

/** Whether something thrown is a {@link JobError} of that kind. */
export function isJobError(thrown: unknown, kind: JobErrorKind): boolean {
  return typeof thrown === 'object' && thrown !== null && 'kind' in thrown && thrown.kind === kind;
}

interface JsonTypes {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
  readonly array: readonly unknown[];
  readonly object: Readonly<Record<string, unknown>>;
}

/** The argument called `name`. @throws JobError `arg_not_set`, `wrong_arg_type` */
export function argOf<T extends keyof JsonTypes>(args: JobArgs, name: string, type: T): JsonTypes[T] {
  if (!Object.hasOwn(args, name)) throw argNotSet(name);
  if (typeName(args[name]) !== type) throw wrongArgType(name, args[name], type);
  return args[name] as JsonTypes[T];
}

/** The data under `key`. @throws JobError `data_key_not_set`, `wrong_data_type` */
export function dataOf<T extends keyof JsonTypes>(data: JobData, key: string, type: T): JsonTypes[T] {
  if (!Object.hasOwn(data, key)) throw dataKeyNotSet(key);
  if (typeName(data[key]) !== type) throw wrongDataType(key, data[key], type);
  return data[key] as JsonTypes[T];
}

function typeName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function idText({type, name, id, requestId}: JobId): string {
  return JSON.stringify([requestId, id, name, type]);
}
