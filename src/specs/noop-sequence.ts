import type {SequenceDraft} from './draft.ts';
import type {SequenceSpec} from './spec.ts';

/**
 * The built-in sequence that does nothing: a target for the branch of a conditional in which there is nothing to do. A sequence of that name in
 * the specs takes its place.
 */
export const NOOP_SEQUENCE: SequenceDraft = {
  name: 'noop',
  place: {file: 'built in', line: 1},
  lines: new Map(),
  isBroken: false,
  request: false,
  args: {required: [], optional: [], static: []},
  acl: [],
  nodes: new Map(),
};

/** Whether a sequence comes with the program. */
export function isBuiltIn({place}: SequenceSpec): boolean {
  return place === NOOP_SEQUENCE.place;
}
