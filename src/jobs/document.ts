import type {HttpRun} from '../schema/job-type.ts';

/**
 * What a job is told in its document. Commands read it if they like; the job host needs it.
 *
 * `args` are those that the job was created with; `data` is what its parents and its own earlier tries have set. Nothing in it is secret: the report token is in the environment alone.
 */
export interface JobDocument {
  readonly request_id: string;
  readonly request_type: string;
  readonly job_id: string;
  readonly name: string;
  readonly type: string;
  readonly try: number;
  readonly args: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
  /** What the job host is to do; absent for a command. */
  readonly run?: HostRun;
}

export type HostRun = HttpHostRun | ClassHostRun;

/** Makes one HTTP request and waits `timeout_ms` for all of its answer. */
export interface HttpHostRun {
  readonly kind: 'http';
  readonly http: HttpRun;
  readonly timeout_ms: number;
}

/** Runs an object that `module` (an absolute path) makes. `bytes` is what it serialised, in base64. */
export interface ClassHostRun {
  readonly kind: 'class';
  readonly module: string;
  readonly bytes: string;
}
