import type {Place} from './spec.ts';

/** An argument as it was written. */
export interface ArgDraft {
  readonly place: Place;
  readonly name?: string;
  readonly desc?: string;
  readonly default?: unknown;
}

export interface AclDraft {
  readonly place: Place;
  readonly role?: string;
  readonly admin: boolean;
  readonly ops: readonly string[];
}

export interface NodeArgDraft {
  readonly place: Place;
  readonly expected?: string;
  readonly given?: string;
}

export interface NodeSetDraft {
  readonly place: Place;
  readonly arg?: string;
  readonly as?: string;
}

/** An entry of a list that is null. */
export interface NullEntry {
  readonly place: Place;
  readonly isNull: true;
}

/** A node as it was written: what is missing or wrong in it is for the checks to say. `lines` has the lines of its keys. */
export interface NodeDraft {
  readonly name: string;
  readonly place: Place;
  readonly lines: ReadonlyMap<string, number>;
  readonly category?: string;
  readonly type?: string;
  readonly args: readonly (NodeArgDraft | NullEntry)[];
  readonly sets: readonly (NodeSetDraft | NullEntry)[];
  readonly deps: readonly string[];
  /** `list:element`, as written. */
  readonly each: readonly {readonly text: string; readonly place: Place}[];
  readonly parallel?: number;
  readonly retry?: number;
  readonly retryWait?: string;
  readonly retryBackoff?: number;
  readonly retryMaxWait?: string;
  readonly retryDeadline?: string;
  readonly if?: string;
  readonly eq?: ReadonlyMap<string, {readonly sequence: string; readonly place: Place}>;
  readonly timeout?: string;
}

/** A sequence as it was written. `isBroken`: something in it could not be read, so it is not checked further. */
export interface SequenceDraft {
  readonly name: string;
  readonly place: Place;
  readonly lines: ReadonlyMap<string, number>;
  readonly isBroken: boolean;
  readonly request: boolean;
  readonly args: {readonly required: readonly ArgDraft[]; readonly optional: readonly ArgDraft[]; readonly static: readonly ArgDraft[]};
  readonly acl: readonly AclDraft[];
  readonly nodes: ReadonlyMap<string, NodeDraft>;
  readonly timeout?: string;
  readonly concurrency?: number;
}

/** Where a key of a sequence or node stands; if it does not, where the whole begins. */
export function placeOf({place, lines}: Pick<NodeDraft, 'place' | 'lines'>, key: string): Place {
  return {file: place.file, line: lines.get(key) ?? place.line};
}

export function isNullEntry(entry: object): entry is NullEntry {
  return 'isNull' in entry;
}

/** A copy without the keys that hold `undefined`. */
export function present<T extends object>(value: {readonly [Key in keyof T]: T[Key] | undefined}): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
