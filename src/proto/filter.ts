import type {State} from './state.ts';

/** What running jobs are asked for. */
export interface StatusFilter {
  readonly requestId?: string;
  /** `startTime`, the only order there is. */
  readonly orderBy?: string;
}

/** What requests are asked for; all that is given has to hold. Times are RFC 3339. */
export interface RequestFilter {
  readonly type?: string;
  /** In any of these. */
  readonly states?: readonly State[];
  readonly user?: string;
  /** Arguments that the caller gave, with these very values. */
  readonly args?: Readonly<Record<string, string>>;
  /** Not finished, or finished after it. */
  readonly since?: string;
  /** Created before it. */
  readonly until?: string;
  /** Absent or 0: all. */
  readonly limit?: number;
  /** Counts only beside a limit. */
  readonly offset?: number;
}
