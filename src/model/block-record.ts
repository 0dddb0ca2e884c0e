import type {Admission} from '../schema/admission.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import type {Deployment, DeploymentState} from '../schema/deployment.ts';
import type {EbState, ExecutionBlock} from '../schema/execution-block.ts';
import type {Owner} from '../schema/owner.ts';
import type {PbState, ProcessingBlock} from '../schema/processing-block.ts';
import type {Script} from '../schema/script.ts';
import type {BadEntry, Entry} from './scan-record.ts';

/** What records of all kinds have. A record may exist only in part: children without `spec`. Replaced as a whole on each change. */
interface Common {
  readonly id: string;
  /** Keys of this object whose value does not parse, by what the record calls them: `spec`, `state`, … */
  readonly bad?: ReadonlyMap<string, BadEntry>;
}

/** Everything stored of one execution block, at one revision. */
export interface EbRecord extends Common {
  readonly spec?: Entry<ExecutionBlock>;
  readonly state?: Entry<EbState>;
}

/** Everything stored of one processing block, at one revision. */
export interface PbRecord extends Common {
  readonly spec?: Entry<ProcessingBlock>;
  readonly admission?: Entry<Admission>;
  readonly state?: Entry<PbState>;
  readonly owner?: Entry<Owner>;
  /** Its entries in the backlog, by `[order]`: more than one only where somebody put them there. */
  readonly waiting?: ReadonlyMap<string, Entry<BacklogEntry>>;
}

/** Everything stored of one deployment, at one revision. */
export interface DeployRecord extends Common {
  readonly spec?: Entry<Deployment>;
  readonly state?: Entry<DeploymentState>;
  readonly owner?: Entry<Owner>;
}

/** One registered script, by `kind:name:version`. */
export interface ScriptRecord extends Common {
  readonly spec?: Entry<Script>;
}

/** The mod revision of one part of an object, 0 when it is absent: what a write that rests on it compares. Counts for a value that does not parse, too. */
export function revisionOf<R extends Common>(record: R, part: Exclude<keyof R, 'id' | 'bad' | 'waiting'> & string): number {
  const entry = record[part] as Entry<unknown> | undefined;
  return (entry ?? record.bad?.get(part))?.modRevision ?? 0;
}
