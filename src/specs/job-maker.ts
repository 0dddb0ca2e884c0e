import type {JobType} from '../schema/job-type.ts';

/** One job to be created. */
export interface JobToMake {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly requestId: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A created job: the arguments as its creation left them (it may set and change any), and what it serialised. */
export interface MadeJob {
  readonly args: Readonly<Record<string, unknown>>;
  /** Base64. */
  readonly bytes?: string;
  /** How it is run; absent for `noop` and for types that the program itself knows. */
  readonly runs?: JobType;
}

/** How jobs are run that have been created elsewhere. */
export interface JobTypes {
  /** `undefined`: nobody here can make jobs of that type. */
  typeOf(type: string): JobType | undefined;
}

/** Creates the jobs of a chain. */
export interface JobMaker {
  /** @throws ControlPlaneError `invalid`: no such type, or its creation refused the arguments; the message says why. `unavailable`: not now. */
  make(job: JobToMake): Promise<MadeJob>;
}
