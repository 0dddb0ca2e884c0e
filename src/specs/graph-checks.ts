import {targetsOf} from './call-checks.ts';
import type {Problem} from './check.ts';
import {placeOf} from './draft.ts';
import type {NodeDraft, SequenceDraft} from './draft.ts';
import {error, formatPlace, quoted, quotedList} from './finding.ts';
import {argsOf, eachOf, setsOf} from './node-checks.ts';
import type {SpecDrafts} from './read-file.ts';
import {argNames, unscopedUses} from './scope.ts';
import type {Finding, Place} from './spec.ts';
import {onCycles, topologicalOrder} from './topological-order.ts';

/** What the graph checks know besides the sequences. */
export interface GraphContext {
  /** Sequences that an earlier check has refused: their own graphs are not looked at. */
  readonly refused: ReadonlySet<string>;
  readonly jobTypes: SpecDrafts['jobTypes'];
}

/** The findings, all of them errors, and the names of all sequences that cannot be used: those refused before, those found wrong here, and whoever calls one. */
export function checkGraphs(
  sequences: ReadonlyMap<string, SequenceDraft>,
  {refused, jobTypes}: GraphContext,
): {readonly findings: readonly Finding[]; readonly broken: ReadonlySet<string>} {
  const findings: Finding[] = [];
  const broken = new Set(refused);
  const calls = Array.from(sequences.values(), (sequence) => ({
    name: sequence.name,
    deps: calledBy(sequence).map(({target}) => target.name),
    sequence,
  }));
  const rings = onCycles(calls);
  const ring = new Set(rings.map(({name}) => name));
  for (const name of ring) broken.add(name);

  // Callees first, so that what is wrong with them is known to their callers.
  const {ordered} = topologicalOrder(calls.filter(({name}) => !ring.has(name)));
  for (const {sequence} of [...rings, ...ordered]) {
    if (refused.has(sequence.name)) continue;
    const found = [
      ...ownProblems(sequence),
      ...calledBy(sequence).flatMap(({node, target}) => (ring.has(sequence.name) && ring.has(target.name) ? [{node, problem: inRing(target)}] : [])),
      ...calledBy(sequence).flatMap(({node, target}) => {
        const callee = sequences.get(target.name);
        const isAccused = callee !== undefined && broken.has(callee.name) && !(ring.has(sequence.name) && ring.has(callee.name));
        return isAccused ? [{node, problem: callsBroken(target, callee)}] : [];
      }),
      ...[...sequence.nodes.values()].flatMap((node) => [
        ...setsProblems(node, sequences, broken).map((problem) => ({node, problem})),
        ...typeProblems(node, jobTypes).map((problem) => ({node, problem})),
      ]),
    ];
    if (found.length > 0) broken.add(sequence.name);
    for (const {
      node,
      problem: {place, ...rest},
    } of found)
      findings.push(error({place, sequence: sequence.name, node: node.name}, rest));
  }
  return {findings, broken};
}

interface Found {
  readonly node: NodeDraft;
  readonly problem: Problem;
}

function calledBy({nodes}: SequenceDraft): readonly {readonly node: NodeDraft; readonly target: ReturnType<typeof targetsOf>[number]}[] {
  return [...nodes.values()].flatMap((node) => {
    // A target that two values choose is one target.
    const targets = [...new Map(targetsOf(node).map((target) => [target.name, target])).values()];
    return targets.map((target) => ({node, target}));
  });
}

/** What is wrong with the order of its nodes, or with what they use. */
function ownProblems(sequence: SequenceDraft): readonly Found[] {
  const {nodes} = sequence;
  const unknown = [...nodes.values()].flatMap((node) => {
    const missing = node.deps.filter((dep) => !nodes.has(dep));
    if (missing.length === 0) return [];
    return [
      {node, problem: graphProblem(placeOf(node, 'deps'), 'deps', missing, `depends on ${quotedList(missing)}, which this sequence does not have`)},
    ];
  });
  const {ordered, stuck} = topologicalOrder(nodes.values());
  if (stuck.length > 0) {
    const cycle = onCycles(stuck);
    const names = new Set(cycle.map(({name}) => name));
    return [...unknown, ...cycle.map((node) => ({node, problem: inCycle(node, names)}))];
  }
  // Nodes behind a dependency that is not there would only be accused of what it might have set.
  return unknown.length > 0 ? unknown : unscopedUses(sequence, ordered);
}

function inCycle(node: NodeDraft, cycle: ReadonlySet<string>): Problem {
  const deps = node.deps.filter((dep) => cycle.has(dep));
  return graphProblem(placeOf(node, 'deps'), 'deps', deps, `depends on itself, through ${quotedList(deps)}`);
}

function inRing({name, field, place}: ReturnType<typeof targetsOf>[number]): Problem {
  return graphProblem(place, field, [name], `sequence ${quoted(name)} leads back to this one: sequences cannot call each other in a ring`);
}

function callsBroken({name, field, place}: ReturnType<typeof targetsOf>[number], callee: SequenceDraft): Problem {
  return graphProblem(place, field, [name], `sequence ${quoted(name)} cannot be used: it has errors, see ${formatPlace(callee.place)}`);
}

/** What a node says its callee sets, and not every callee does. */
function setsProblems(node: NodeDraft, sequences: ReadonlyMap<string, SequenceDraft>, broken: ReadonlySet<string>): readonly Problem[] {
  const targets = new Set(targetsOf(node).flatMap(({name}) => (broken.has(name) ? [] : (sequences.get(name) ?? []))));
  const lacking = Array.from(targets, (target) => ({target: target.name, provided: providedBy(target)}));
  return setsOf(node).flatMap(({arg = '', place}) => {
    const without = lacking.filter(({provided}) => !provided.has(arg)).map(({target}) => target);
    if (without.length === 0) return [];
    return [graphProblem(place, 'sets.arg', [arg], `${quoted(arg)} is not set by sequence ${quotedList(without)}`)];
  });
}

/** What is certain to be in a sequence's scope when it is built: its arguments, and what its nodes set. */
function providedBy(sequence: SequenceDraft): ReadonlySet<string> {
  const set = [...sequence.nodes.values()].flatMap((node) => setsOf(node).flatMap(({as}) => as ?? []));
  return new Set([...argNames(sequence), ...set]);
}

/** What is wrong with a node whose job type is declared: the type cannot be used, or does not set what the node says it sets. */
function typeProblems(node: NodeDraft, jobTypes: SpecDrafts['jobTypes']): readonly Problem[] {
  const type = node.type ?? '';
  const declared = node.category === 'job' ? jobTypes.get(type) : undefined;
  if (declared === undefined) return [];
  const {spec} = declared;
  if (spec === undefined) {
    const message = `job type ${quoted(type)} cannot be used: it has errors, see ${formatPlace(declared.place)}`;
    return [graphProblem(placeOf(node, 'type'), 'type', [type], message)];
  }
  if (spec.run.kind === 'class') return []; // What a class sets is known when it has been made.
  const provided = new Set([
    ...argsOf(node).map(({expected}) => expected),
    ...eachOf(node).map(({element}) => element),
    ...Object.keys(spec.sets ?? {}),
  ]);
  return setsOf(node)
    .filter(({arg}) => !provided.has(arg))
    .map(({arg = '', place}) =>
      graphProblem(place, 'sets.arg', [arg], `${quoted(arg)} is not set by job type ${quoted(type)}, see ${formatPlace(declared.place)}`),
    );
}

function graphProblem(place: Place, field: string, values: readonly string[], message: string): Problem {
  return {place, kind: 'graph', field, values, message};
}
