import type {Problem} from './check.ts';
import {placeOf} from './draft.ts';
import type {NodeDraft, SequenceDraft} from './draft.ts';
import {quoted} from './finding.ts';
import {argsOf, eachOf, setsOf} from './node-checks.ts';
import type {Place} from './spec.ts';

/** The names that a sequence's own arguments have. */
export function argNames({args}: SequenceDraft): ReadonlySet<string> {
  return new Set([...args.required, ...args.optional, ...args.static].flatMap(({name}) => name ?? []));
}

/** A name that a node takes from its sequence's scope. */
interface Use {
  readonly name: string;
  readonly field: string;
  readonly place: Place;
}

function usesOf(node: NodeDraft): readonly Use[] {
  return [
    ...(node.if === undefined ? [] : [{name: node.if, field: 'if', place: placeOf(node, 'if')}]),
    ...eachOf(node).map(({list, place}) => ({name: list, field: 'each', place})),
    ...argsOf(node).flatMap(({given, place}) => (given === undefined ? [] : [{name: given, field: 'args.given', place}])),
  ];
}

/**
 * What a node uses and nothing before it provides: neither the sequence's arguments nor a node that it depends on, directly or through others.
 *
 * That another node sets it does not help where no dependency says that it comes first.
 *
 * @param ordered the nodes of the sequence, each after those that it depends on
 */
export function unscopedUses(
  sequence: SequenceDraft,
  ordered: readonly NodeDraft[],
): readonly {readonly node: NodeDraft; readonly problem: Problem}[] {
  const own = argNames(sequence);
  // A number for each name that is set, and for each node the set of names it can see, as the bits of an integer.
  const bits = new Map<string, bigint>();
  const setters = new Map<string, string[]>();
  for (const node of ordered) {
    for (const {as} of setsOf(node)) {
      if (as === undefined) continue;
      if (!bits.has(as)) bits.set(as, 1n << BigInt(bits.size));
      const others = setters.get(as);
      if (others === undefined) setters.set(as, [node.name]);
      else others.push(node.name);
    }
  }
  const provided = new Map<string, bigint>();
  return ordered.flatMap((node) => {
    let visible = 0n;
    for (const dep of node.deps) visible |= provided.get(dep) ?? 0n;
    let after = visible;
    for (const {as} of setsOf(node)) after |= bits.get(as ?? '') ?? 0n;
    provided.set(node.name, after);
    return usesOf(node)
      .filter(({name}) => !own.has(name) && (visible & (bits.get(name) ?? 0n)) === 0n)
      .map(({name, field, place}) => ({
        node,
        problem: {place, kind: 'graph' as const, field, values: [name], message: unscoped(name, node.name, setters)},
      }));
  });
}

function unscoped(name: string, user: string, setters: ReadonlyMap<string, readonly string[]>): string {
  const others = (setters.get(name) ?? []).filter((setter) => setter !== user);
  const reason = `${quoted(name)} is not set here: it is no argument of this sequence, and no node that this one depends on sets it`;
  return others[0] === undefined ? reason : `${reason}. Node ${quoted(others[0])} does: is it missing in deps?`;
}
