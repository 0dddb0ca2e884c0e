import {parseGoDuration} from '../lib/go-duration.ts';
import {groupBy, repeated} from './check.ts';
import type {Checks, Problem} from './check.ts';
import {isNullEntry, placeOf} from './draft.ts';
import type {NodeArgDraft, NodeDraft, NodeSetDraft} from './draft.ts';
import {quoted, quotedList} from './finding.ts';
import {splitEach} from './split-each.ts';

/** The checks of one node that need to know no sequence. */
export const NODE_CHECKS: Checks<NodeDraft> = {
  errors: [
    categoryIsKnown,
    fieldsFitCategory,
    eachEntriesAreListAndElement,
    eachElementsAreUnique,
    argsEntriesAreComplete,
    expectedNamesAreUnique,
    elementsAreNotExpected,
    setsEntriesAreComplete,
    setNamesAreUnique,
    parallelIsOfEach,
    retrySettingsFit,
    timeoutFits,
  ],
  warnings: [listsAreUsedOnce, givenNamesAreUsedOnce, listsAreNotGiven, setArgsHaveOneName],
};

const CATEGORIES: readonly string[] = ['job', 'sequence', 'conditional'];

type Kind = Problem['kind'];

function problem(node: NodeDraft, kind: Kind, field: string, values: readonly string[], message: string): Problem {
  return {place: placeOf(node, field), kind, field, values, message};
}

/** The entries of `args` that are there. */
export function argsOf({args}: NodeDraft): readonly NodeArgDraft[] {
  return args.filter((entry) => !isNullEntry(entry));
}

/** The entries of `sets` that are there. */
export function setsOf({sets}: NodeDraft): readonly NodeSetDraft[] {
  return sets.filter((entry) => !isNullEntry(entry));
}

/** The entries of `each` that can be read. */
export function eachOf({each}: NodeDraft): readonly {readonly list: string; readonly element: string; readonly place: NodeDraft['place']}[] {
  return each.flatMap(({text, place}) => {
    const pair = splitEach(text);
    return pair === undefined ? [] : [{...pair, place}];
  });
}

function categoryIsKnown(node: NodeDraft): readonly Problem[] {
  const {category} = node;
  if (category === undefined) return [problem(node, 'missing', 'category', [], `must be one of ${CATEGORIES.join(', ')}`)];
  if (CATEGORIES.includes(category)) return [];
  return [problem(node, 'invalid', 'category', [category], `must be one of ${CATEGORIES.join(', ')}, not ${quoted(category)}`)];
}

function fieldsFitCategory(node: NodeDraft): readonly Problem[] {
  const {category, type} = node;
  if (category === undefined || !CATEGORIES.includes(category)) return [];
  const problems: Problem[] = [];
  if (category === 'conditional') {
    if (type !== undefined) problems.push(problem(node, 'invalid', 'type', [type], 'a conditional has no type: eq names its sequences'));
    if ((node.if ?? '') === '') problems.push(problem(node, 'missing', 'if', [], 'a conditional must name the argument that it tests'));
    if ((node.eq?.size ?? 0) === 0) problems.push(problem(node, 'missing', 'eq', [], 'a conditional must map at least one value to a sequence'));
    return problems;
  }
  const what = category === 'job' ? 'a job type' : 'a sequence';
  if ((type ?? '') === '') problems.push(problem(node, 'missing', 'type', [], `a node of category ${category} must name ${what}`));
  if (node.if !== undefined) problems.push(problem(node, 'invalid', 'if', [node.if], 'belongs to conditionals'));
  if (node.eq !== undefined) problems.push(problem(node, 'invalid', 'eq', [...node.eq.keys()], 'belongs to conditionals'));
  return problems;
}

function eachEntriesAreListAndElement(node: NodeDraft): readonly Problem[] {
  return node.each
    .filter(({text}) => splitEach(text) === undefined)
    .map(({text, place}) => ({place, kind: 'invalid', field: 'each', values: [text], message: `must be list:element, not ${quoted(text)}`}));
}

function eachElementsAreUnique(node: NodeDraft): readonly Problem[] {
  return repeated(eachOf(node), ({element}) => element).map(({place, element}) => {
    const message = `element ${quoted(element)} is taken from two lists; each needs a name of its own`;
    return {place, kind: 'duplicate', field: 'each', values: [element], message};
  });
}

function listsAreUsedOnce(node: NodeDraft): readonly Problem[] {
  return repeated(eachOf(node), ({list}) => list).map(({place, list}) => {
    return {
      place,
      kind: 'duplicate',
      field: 'each',
      values: [list],
      message: `list ${quoted(list)} is expanded into two elements, which will be the same`,
    };
  });
}

function argsEntriesAreComplete(node: NodeDraft): readonly Problem[] {
  return node.args.flatMap((entry): Problem[] => {
    const {place} = entry;
    if (isNullEntry(entry)) return [{place, kind: 'invalid', field: 'args', values: ['null'], message: 'an entry is empty; it must have expected'}];
    if ((entry.expected ?? '') !== '') return [];
    return [{place, kind: 'missing', field: 'args.expected', message: 'every entry must say under which name the argument is expected'}];
  });
}

function expectedNamesAreUnique(node: NodeDraft): readonly Problem[] {
  return repeated(argsOf(node), ({expected}) => expected).map(({place, expected = ''}) => {
    return {place, kind: 'duplicate', field: 'args.expected', values: [expected], message: `${quoted(expected)} is passed twice`};
  });
}

function givenNamesAreUsedOnce(node: NodeDraft): readonly Problem[] {
  const given = argsOf(node).filter((entry) => entry.given !== undefined);
  return [...groupBy(given, (entry) => entry.given ?? '')].flatMap(([name, entries]): Problem[] => {
    const expected = new Set(entries.map((entry) => entry.expected ?? ''));
    const last = entries.at(-1);
    if (expected.size < 2 || last === undefined) return [];
    const message = `${quoted(name)} is passed under several names: ${quotedList(expected)}`;
    return [{place: last.place, kind: 'duplicate', field: 'args.given', values: [name], message}];
  });
}

function elementsAreNotExpected(node: NodeDraft): readonly Problem[] {
  const expected = new Set(argsOf(node).map((entry) => entry.expected));
  return eachOf(node)
    .filter(({element}) => expected.has(element))
    .map(({place, element}) => ({
      place,
      kind: 'duplicate',
      field: 'each',
      values: [element],
      message: `${quoted(element)} is both an element and passed by args`,
    }));
}

function listsAreNotGiven(node: NodeDraft): readonly Problem[] {
  const given = new Set(argsOf(node).map((entry) => entry.given));
  return eachOf(node)
    .filter(({list}) => given.has(list))
    .map(({place, list}) => ({
      place,
      kind: 'duplicate',
      field: 'each',
      values: [list],
      message: `list ${quoted(list)} is expanded and also passed whole by args`,
    }));
}

function setsEntriesAreComplete(node: NodeDraft): readonly Problem[] {
  return node.sets.flatMap((entry): Problem[] => {
    const {place} = entry;
    if (isNullEntry(entry)) return [{place, kind: 'invalid', field: 'sets', values: ['null'], message: 'an entry is empty; it must have arg'}];
    if ((entry.arg ?? '') !== '') return [];
    return [{place, kind: 'missing', field: 'sets.arg', message: 'every entry must name the argument that is set'}];
  });
}

function setNamesAreUnique(node: NodeDraft): readonly Problem[] {
  return repeated(setsOf(node), (entry) => entry.as ?? entry.arg).map((entry) => {
    const name = entry.as ?? entry.arg ?? '';
    return {place: entry.place, kind: 'duplicate', field: 'sets.as', values: [name], message: `${quoted(name)} is set twice`};
  });
}

function setArgsHaveOneName(node: NodeDraft): readonly Problem[] {
  const named = setsOf(node).filter(({arg}) => arg !== undefined);
  return [...groupBy(named, ({arg}) => arg ?? '')].flatMap(([arg, entries]): Problem[] => {
    const names = new Set(entries.map((entry) => entry.as ?? arg));
    const last = entries.at(-1);
    if (names.size < 2 || last === undefined) return [];
    return [
      {
        place: last.place,
        kind: 'duplicate',
        field: 'sets.arg',
        values: [arg],
        message: `${quoted(arg)} is set under several names: ${quotedList(names)}`,
      },
    ];
  });
}

function parallelIsOfEach(node: NodeDraft): readonly Problem[] {
  const {parallel, each} = node;
  if (parallel === undefined) return [];
  const problems: Problem[] = [];
  if (parallel === 0) problems.push(problem(node, 'invalid', 'parallel', ['0'], 'must be 1 or more'));
  if (each.length === 0)
    problems.push({...problem(node, 'missing', 'each', [], 'parallel limits an expansion, and there is none'), place: placeOf(node, 'parallel')});
  return problems;
}

const RETRY_DURATIONS = ['retryWait', 'retryMaxWait', 'retryDeadline'] as const;

function retrySettingsFit(node: NodeDraft): readonly Problem[] {
  const {category, retry = 0, retryBackoff} = node;
  const problems: Problem[] = [];
  for (const field of RETRY_DURATIONS) {
    const text = node[field];
    if (text === undefined) continue;
    const ms = parseGoDuration(text);
    if (ms === undefined || ms < 0)
      problems.push(problem(node, 'invalid', field, [text], `must be a duration such as 500ms, 3s or 1m30s, not ${quoted(text)}`));
  }
  if (retryBackoff !== undefined && retryBackoff < 1) {
    problems.push(problem(node, 'invalid', 'retryBackoff', [String(retryBackoff)], 'must be 1 or more: each wait is that many times the one before'));
  }
  for (const field of [...RETRY_DURATIONS, 'retryBackoff'] as const) {
    if (node[field] === undefined) continue;
    if (retry === 0)
      problems.push({...problem(node, 'missing', 'retry', [], `${field} without a retry of 1 or more does nothing`), place: placeOf(node, field)});
    if (field !== 'retryWait' && category !== 'job' && CATEGORIES.includes(category ?? '')) {
      problems.push(problem(node, 'invalid', field, [String(node[field])], 'belongs to jobs; a sequence is tried again after retryWait'));
    }
  }
  return problems;
}

function timeoutFits(node: NodeDraft): readonly Problem[] {
  const {category, timeout} = node;
  if (timeout === undefined) return [];
  const problems: Problem[] = [];
  if (!((parseGoDuration(timeout) ?? 0) > 0))
    problems.push(problem(node, 'invalid', 'timeout', [timeout], 'must be a duration above 0, such as 90s or 1h30m'));
  if (category === 'sequence' || category === 'conditional') problems.push(problem(node, 'invalid', 'timeout', [timeout], 'belongs to jobs'));
  return problems;
}
