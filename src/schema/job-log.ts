import {parserFor} from './validate.ts';

/** `~log/[id]/[job]/[try]`: how one try went. Times are RFC 3339, empty where there is none. @see Spin Cycle's job log entry */
export interface JobLogEntry {
  readonly name: string;
  readonly type: string;
  readonly try: number;
  readonly state: string;
  readonly started_at: string;
  readonly ended_at: string;
  /** Nanoseconds since 1970, in decimal digits, where the time above does not say as much. */
  readonly started_ns?: string;
  readonly ended_ns?: string;
  readonly exit: number | null;
  /** The exit code's digits where `exit` cannot hold them. */
  readonly exact_exit?: string;
  readonly error: string;
  readonly stdout: string;
  readonly stderr: string;
}

const textSchema = {type: 'string', default: ''} as const;

export const jobLogSchema = {
  type: 'object',
  required: ['try', 'state'],
  properties: {
    name: textSchema,
    type: textSchema,
    try: {type: 'integer', minimum: 0},
    state: {type: 'string'},
    started_at: textSchema,
    ended_at: textSchema,
    started_ns: {type: 'string', pattern: '^-?\\d{1,19}$'},
    ended_ns: {type: 'string', pattern: '^-?\\d{1,19}$'},
    exit: {type: ['integer', 'null'], default: null},
    exact_exit: {type: 'string', pattern: '^-?\\d{1,19}$'},
    error: textSchema,
    stdout: textSchema,
    stderr: textSchema,
  },
} as const;

export const parseJobLog = parserFor<JobLogEntry>('job log entry', jobLogSchema);
