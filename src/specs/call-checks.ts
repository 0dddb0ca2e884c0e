import type {Checks, Problem} from './check.ts';
import {placeOf} from './draft.ts';
import type {NodeDraft, SequenceDraft} from './draft.ts';
import {quoted, quotedList} from './finding.ts';
import {argsOf, eachOf} from './node-checks.ts';
import type {Place} from './spec.ts';

/** A node, and the sequences that it may call. `unreadable`: files that may hold what is not there. */
export interface Call {
  readonly node: NodeDraft;
  readonly sequences: ReadonlyMap<string, SequenceDraft>;
  readonly unreadable: readonly string[];
}

/** The checks of a node against the sequences that it calls. */
export const CALL_CHECKS: Checks<Call> = {errors: [targetsAreDefined, requiredArgsAreGiven], warnings: [givenArgsAreDeclared]};

/** A sequence that a node calls, as written in `field`. */
export interface Target {
  readonly name: string;
  readonly field: 'type' | 'eq';
  readonly place: Place;
}

/** The sequences that a node may call: that of a sequence node, or all that a conditional may choose. */
export function targetsOf(node: NodeDraft): readonly Target[] {
  if (node.category === 'sequence')
    return node.type === undefined || node.type === '' ? [] : [{name: node.type, field: 'type', place: placeOf(node, 'type')}];
  if (node.category !== 'conditional') return [];
  return Array.from(node.eq?.values() ?? [], ({sequence, place}) => ({name: sequence, field: 'eq', place}));
}

function targetsAreDefined({node, sequences, unreadable}: Call): readonly Problem[] {
  const hint = unreadable.length === 0 ? '' : `; files that could not be read: ${quotedList(unreadable)}`;
  return targetsOf(node)
    .filter(({name}) => !sequences.has(name))
    .map(({name, field, place}) => ({place, kind: 'invalid', field, values: [name], message: `there is no sequence ${quoted(name)}${hint}`}));
}

/** The targets whose arguments are known. */
function knownTargets({node, sequences}: Call): readonly SequenceDraft[] {
  const found = new Set(targetsOf(node).map(({name}) => sequences.get(name)));
  return [...found].filter((target) => target !== undefined && !target.isBroken) as SequenceDraft[];
}

function requiredArgsAreGiven(call: Call): readonly Problem[] {
  const {node} = call;
  const given = new Set([...argsOf(node).map(({expected}) => expected), ...eachOf(node).map(({element}) => element)]);
  return knownTargets(call).flatMap((target): Problem[] => {
    const missing = target.args.required.flatMap(({name = ''}) => (name === '' || given.has(name) ? [] : [name]));
    if (missing.length === 0) return [];
    const message = `sequence ${quoted(target.name)} requires ${quotedList(missing)}, passed neither by args nor by each`;
    return [{place: placeOf(node, 'args'), kind: 'missing', field: 'args', values: missing, message}];
  });
}

function givenArgsAreDeclared(call: Call): readonly Problem[] {
  const {node} = call;
  const targets = targetsOf(node);
  const known = knownTargets(call);
  // Of a target that is not known, anything may be an argument.
  if (targets.length === 0 || known.length < new Set(targets.map(({name}) => name)).size) return [];
  const declared = new Set(known.flatMap(({args}) => [...args.required, ...args.optional].map(({name}) => name)));
  const passed = [
    ...argsOf(node).map(({expected = '', place}) => ({name: expected, place, field: 'args'})),
    ...eachOf(node).map(({element, place}) => ({name: element, place, field: 'each'})),
  ];
  const called = quotedList(known.map(({name}) => name));
  return passed
    .filter(({name}) => name !== '' && !declared.has(name))
    .map(({name, place, field}) => {
      const message = `${quoted(name)} is no required or optional argument of ${called}`;
      return {place, kind: 'invalid', field, values: [name], message};
    });
}
