import {assert, must} from '../lib/assert.ts';
import {isNullEntry, present} from './draft.ts';
import type {ArgDraft, NodeDraft, SequenceDraft} from './draft.ts';
import type {AclSpec, ArgSpec, NodeSpec, SequenceSpec} from './spec.ts';
import {splitEach} from './split-each.ts';

const CATEGORIES: readonly string[] = ['job', 'sequence', 'conditional'] satisfies NodeSpec['category'][];

/** Makes a spec of a draft whose defaults are filled and which the checks have passed. */
export function finishSequence(draft: SequenceDraft): SequenceSpec {
  const {name, place, request, args, timeout, concurrency} = draft;
  return present<SequenceSpec>({
    name,
    place,
    request,
    args: {required: args.required.map(finishArg), optional: args.optional.map(finishArg), static: args.static.map(finishArg)},
    acl: draft.acl.map((entry): AclSpec => ({role: must(entry.role, 'role'), admin: entry.admin, ops: entry.ops})),
    nodes: new Map(Array.from(draft.nodes, ([key, node]) => [key, finishNode(node)])),
    timeout,
    concurrency,
  });
}

function finishArg({name, desc, default: value}: ArgDraft): ArgSpec {
  return present<ArgSpec>({name: must(name, 'name'), desc, default: value});
}

function finishNode(node: NodeDraft): NodeSpec {
  const {name, place, category, retry = 0} = node;
  assert(category !== undefined && CATEGORIES.includes(category), 'category');
  return present<NodeSpec>({
    name,
    place,
    category: category as NodeSpec['category'],
    type: node.type,
    args: node.args.flatMap((entry) => (isNullEntry(entry) ? [] : [{expected: must(entry.expected, 'expected'), given: must(entry.given, 'given')}])),
    sets: node.sets.flatMap((entry) => (isNullEntry(entry) ? [] : [{arg: must(entry.arg, 'arg'), as: must(entry.as, 'as')}])),
    deps: [...new Set(node.deps)],
    each: node.each.map(({text}) => must(splitEach(text), 'each')),
    parallel: node.parallel,
    if: node.if,
    eq: node.eq === undefined ? undefined : new Map(Array.from(node.eq, ([value, {sequence}]) => [value, sequence])),
    timeout: node.timeout,
    retry,
    retryWait: retry > 0 ? (node.retryWait ?? '0s') : '',
    retryBackoff: node.retryBackoff,
    retryMaxWait: node.retryMaxWait,
    retryDeadline: node.retryDeadline,
  });
}
