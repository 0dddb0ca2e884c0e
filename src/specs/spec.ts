import type {JobType} from '../schema/job-type.ts';

/** Where something stands in a spec file. Lines count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** One argument that a sequence declares. `default` is absent for a required one. Defaults written as scalars keep their source text. */
export interface ArgSpec {
  readonly name: string;
  readonly desc?: string;
  readonly default?: unknown;
}

/** Who may do what with a request. */
export interface AclSpec {
  readonly role: string;
  readonly admin: boolean;
  readonly ops: readonly string[];
}

/** Hands `given`, a name of this sequence's scope, to the callee under `expected`. */
export interface NodeArg {
  readonly expected: string;
  readonly given: string;
}

/** Takes `arg`, set by the callee, into this sequence's scope as `as`. */
export interface NodeSet {
  readonly arg: string;
  readonly as: string;
}

/** How a node is tried again. Durations are Go's. `backoff` is the factor between waits, 1 for none. */
export interface RetrySpec {
  readonly retry: number;
  /** `0s` when `retry` is set and no wait was given; empty without `retry`. */
  readonly retryWait: string;
  readonly retryBackoff?: number;
  readonly retryMaxWait?: string;
  readonly retryDeadline?: string;
}

export interface NodeSpec extends RetrySpec {
  readonly name: string;
  readonly place: Place;
  readonly category: 'job' | 'sequence' | 'conditional';
  /** Job type or sequence name; absent for a conditional. */
  readonly type?: string;
  readonly args: readonly NodeArg[];
  readonly sets: readonly NodeSet[];
  readonly deps: readonly string[];
  readonly each: readonly {readonly list: string; readonly element: string}[];
  readonly parallel?: number;
  /** Conditional: the argument tested, and value → sequence. */
  readonly if?: string;
  readonly eq?: ReadonlyMap<string, string>;
  /** Job: longest duration of one try, a Go duration. */
  readonly timeout?: string;
}

export interface SequenceSpec {
  readonly name: string;
  readonly place: Place;
  /** Whether users may ask for it. */
  readonly request: boolean;
  readonly args: {readonly required: readonly ArgSpec[]; readonly optional: readonly ArgSpec[]; readonly static: readonly ArgSpec[]};
  readonly acl: readonly AclSpec[];
  readonly nodes: ReadonlyMap<string, NodeSpec>;
  /** Of a request: longest duration of the whole (a Go duration), and how many of its jobs may run at once. */
  readonly timeout?: string;
  readonly concurrency?: number;
}

/** A job type that a spec file declares. `sets` are the arguments that its creation sets, `${name}` standing for an argument. */
export interface JobTypeSpec extends JobType {
  readonly name: string;
  readonly place: Place;
  readonly sets?: Readonly<Record<string, unknown>>;
}

/** One thing that is wrong (`error`) or odd (`warning`) in the specs. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly kind: 'syntax' | 'type' | 'invalid' | 'missing' | 'duplicate' | 'graph';
  readonly place: Place;
  readonly sequence?: string;
  readonly node?: string;
  /** Path of the field, as in `args.required.name`. */
  readonly field?: string;
  /** The offending values, as they were written. */
  readonly values?: readonly string[];
  /** One sentence for people; names what is wrong and what would be right. */
  readonly message: string;
}

/** Everything that was read: what can be used, and what was found. A sequence with an error of its own or of one that it calls is not among `sequences`. */
export interface Specs {
  readonly sequences: ReadonlyMap<string, SequenceSpec>;
  readonly jobTypes: ReadonlyMap<string, JobTypeSpec>;
  readonly findings: readonly Finding[];
}
