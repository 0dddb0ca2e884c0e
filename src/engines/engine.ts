import type {FenceToken, JobExit} from '../schema/job.ts';

/** Which try of which job of which scan: the name that collides when the same launch is asked for twice. */
export interface JobRef {
  readonly scanId: string;
  readonly job: string;
  readonly try: number;
}

/** What to run. Times are milliseconds, limits bytes. */
export interface JobSpec {
  readonly ref: JobRef;
  readonly fence: FenceToken;
  /** Which database this job belongs to (`/meta` cluster_id); jobs of another are reported, never killed. */
  readonly clusterId: string;
  readonly command: readonly string[];
  readonly env: readonly (readonly [string, string])[];
  /** How many processes of it run side by side. The job ends when all have ended. */
  readonly count: number;
  /** Bytes kept of each of standard output and standard error, per process: the first and the last half of it. */
  readonly outputLimitBytes: number;
  /** From SIGTERM to SIGKILL. */
  readonly stopGraceMs: number;
  /** A job that no controller has renewed for this long ends itself. */
  readonly orphanAfterMs: number;
}

/** What an engine knows of a try. */
export type JobObservation =
  /** Nothing by that name was ever begun, and it may still begin. */
  | {readonly kind: 'absent'}
  /** It was asked of a place that this engine does not share: nothing can be known from here. */
  | {readonly kind: 'foreign'}
  /** It never began and never will. */
  | {readonly kind: 'closed'}
  | {readonly kind: 'running'; readonly handle: string; readonly startedAt: string}
  /** Nothing of it runs any more. */
  | {readonly kind: 'exited'; readonly handle: string; readonly exit: JobExit};

/**
 * What runs jobs. Every method is safe to repeat. Implementations: one file or folder beside this one, each passing `test/contract/engine.ts`.
 *
 * @throws ControlPlaneError `unavailable`: not reached now, ask again. `invalid`: no retry can help (a command that does not exist, say).
 */
export interface Engine {
  readonly name: string;
  /** The run directory (or namespace) that this engine works in. Only engines with the same place see each other's jobs. */
  readonly place: string;
  /**
   * Starts the job unless its name was used before; then says what became of that. At most one launch ever happens per name, whatever dies or pauses when.
   * A fence older than one this name has seen is refused with `not_owner`.
   */
  ensure(job: JobSpec): Promise<JobObservation>;
  /** What is known of a try. `place` is where it was asked for. */
  observe(ref: JobRef, place: string): Promise<JobObservation>;
  /** Makes sure that a try which has not begun never will, and says what is there: anything but `absent`. */
  close(ref: JobRef, place: string, fence: FenceToken): Promise<JobObservation>;
  /** Asks a running try to end: SIGTERM, after the job's grace SIGKILL, of everything it started. Returns at once; the end shows in `observe`. */
  stop(ref: JobRef, place: string): Promise<void>;
  /** Says that these tries still have an owner. */
  renew(refs: readonly JobRef[]): Promise<void>;
  /** The kept output of one process of a try (`index` from 0). */
  output(ref: JobRef, place: string, index: number, stream: 'stdout' | 'stderr'): Promise<string>;
  /** Calls back when something about a try may have changed: a hint to observe. */
  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void;
  /** Scans of which anything is kept. */
  known(): Promise<readonly string[]>;
  /** Removes what is kept of a scan's jobs, none of which runs any more. @throws ControlPlaneError `wrong_state`: something does. */
  forget(scanId: string): Promise<void>;
}
