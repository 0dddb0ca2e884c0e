import type {JobOutcome} from '../schema/job-outcome.ts';
import type {JobResources} from '../schema/job-resources.ts';
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
  /** Longest duration; then the job is ended as if stopped, with the reason `timed out after …`. Absent: any. */
  readonly timeoutMs?: number;
  /**
   * JSON text of at most {@link DOCUMENT_BYTES}, which each process gets on standard input and in the file that `SCANPLANE_JOB_FILE` names. With it come
   * the files in which process 0 may speak, see {@link JobSaid}. An engine without files leaves it out: there only the environment says anything.
   */
  readonly document?: string;
  /** What engines of containers run it in; others leave all of this out. Absent: as the cluster's settings say. */
  readonly image?: string;
  readonly resources?: JobResources;
  readonly pod?: PodShape;
}

/** What stands beside a job's process in its pod, as Kubernetes describes it. */
export interface PodShape {
  /** The command is the image's own; the job's is its arguments. */
  readonly hasOwnCommand?: boolean;
  readonly initContainers?: readonly PodPart[];
  readonly sidecars?: readonly PodPart[];
  readonly volumes?: readonly PodPart[];
  /** Of the process itself. */
  readonly volumeMounts?: readonly PodPart[];
  /** Further values that must not be seen, for `secretKeyRef`s to {@link TRY_SECRET}. */
  readonly secrets?: readonly (readonly [string, string])[];
}

/** A container, a volume or a mount, as Kubernetes takes it. */
export type PodPart = Readonly<Record<string, unknown>> & {readonly name: string};

/** Stands for the name of the try's own Secret wherever a {@link PodShape} refers to one of its {@link PodShape.secrets}. */
export const TRY_SECRET = 'the-secret-of-this-try';

/** The largest document of a job: arguments, data of its parents and all. */
export const DOCUMENT_BYTES = 1024 * 1024;

/**
 * What a job that has a document says of itself in files, and where. Nobody vouches for it: it is bounded, and what cannot be used is a `problem`.
 *
 * While it runs: `status` (the file that `SCANPLANE_STATUS_FILE` names, text up to 4 KiB, cut there) and `endpoint` (`SCANPLANE_ENDPOINT_FILE`, 1 KiB).
 * When it has ended also `data` (`SCANPLANE_DATA_FILE`, a JSON object up to 256 KiB) and `outcome` (`SCANPLANE_OUTCOME_FILE`, `{state, exit, error}`,
 * 32 KiB).
 */
export interface JobSaid {
  readonly status?: string;
  readonly endpoint?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly outcome?: JobOutcome;
  /** Why something that an ended try left cannot be used. */
  readonly problem?: string;
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
 * @throws ControlPlaneError `unavailable`: not reached now, ask again. `invalid`: no retry can help (an empty command, say).
 * `too_large`: its document is.
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
  /** What a try says of itself; nothing where it says nothing, or it was asked for in another place. */
  said(ref: JobRef, place: string): Promise<JobSaid>;
  /** Whether what it runs jobs on answers, as far as it knows; absent: there is nothing that could be away. */
  isReachable?(): boolean;
  /** Says that these tries still have an owner. */
  renew(refs: readonly JobRef[]): Promise<void>;
  /** The kept output of one process of a try (`index` from 0). */
  output(ref: JobRef, place: string, index: number, stream: 'stdout' | 'stderr'): Promise<string>;
  /** Calls back when something about a try may have changed: a hint to observe. */
  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void;
  /** Scans of which anything is kept. */
  known(): Promise<readonly string[]>;
  /** Tries of a scan that were ever asked for in this engine's place, in no promised order; without those that another database than `clusterId` launched. */
  tries(scanId: string, clusterId: string): Promise<readonly JobRef[]>;
  /** Removes what is kept of a scan's jobs, none of which runs any more. @throws ControlPlaneError `wrong_state`: something does. */
  forget(scanId: string): Promise<void>;
}
