import type {JobRef} from '../engines/engine.ts';
import type {KeyRef} from '../schema/keys.ts';
import type {FencedWriter} from '../store/contracts.ts';

/** What every controller declares: reading the list in `index.ts` is reading the architecture. */
export interface ControllerInfo {
  readonly name: string;
  /** Keys whose changes it looks at. */
  readonly inputs: readonly KeyRef['kind'][];
  /** Keys that it, and no other controller, writes. */
  readonly outputs: readonly string[];
}

/** What one look at an object led to. `requeue` says nothing went wrong. */
export type Result = {readonly kind: 'settled'} | {readonly kind: 'requeue'; readonly afterMs: number};

export const SETTLED: Result = {kind: 'settled'};
export const AGAIN: Result = {kind: 'requeue', afterMs: 0};

/** A controller of objects that have one owner each, elected per object. */
export interface ObjectController extends ControllerInfo {
  /** Which object a changed key belongs to. */
  idOf(ref: KeyRef): string | undefined;
  /** All objects that there are: looked at after a relist. */
  ids(): Iterable<string>;
  ownerKey(id: string): string;
  /** Whether somebody asks for it. */
  exists(id: string): boolean;
  /** Whether the object needs an owner now. */
  wants(id: string): boolean;
  /** How many replicas are to try before this one: 0 is the first choice. */
  rank(id: string): number;
  /** Looks at what is stored and takes one step that is safe to repeat. @throws ControlPlaneError: retried with backoff if that can help. */
  reconcile(id: string, writer: FencedWriter): Promise<Result>;
  /** Ends the object with a reason: no retry can mend it. */
  fail(id: string, writer: FencedWriter, reason: string): Promise<void>;
  /** The object is not ours any more. */
  released(id: string): void;
}

/** A controller of objects whose jobs run on engines. */
export interface JobController extends ObjectController {
  /** The object whose jobs engines know under this name (a job reference's `scanId`); `undefined`: none of this controller's. */
  objectOf(jobsOf: string): string | undefined;
  /** Tries that run under our ownership, by the place they run in: what engines are to be told about from time to time. */
  forEachRunningTry(visit: (ref: JobRef, place: string) => void): void;
  /** Whether what engines keep of its jobs may go: it is gone, or ended before `beforeMs` (milliseconds since 1970). */
  mayForget(id: string, beforeMs: number): boolean;
  /** Whether nothing that is stored speaks of this try any more, and nothing ever will: its keys were deleted all at once. */
  isAbandoned(ref: JobRef): boolean;
  /** Whether it has not ended, and could be handed over now. */
  isSettled(id: string): boolean;
}

/** A controller of which one process runs at a time. `run` ends when `signal` aborts: that is when the leadership is lost, or the process stops. */
export interface LoneController extends ControllerInfo {
  run(writer: FencedWriter, signal: AbortSignal): Promise<void>;
}
