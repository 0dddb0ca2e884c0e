import {parseGoDuration} from '../lib/go-duration.ts';
import {groupBy, repeated} from './check.ts';
import type {Checks, Problem} from './check.ts';
import {isNullEntry, placeOf} from './draft.ts';
import type {ArgDraft, SequenceDraft} from './draft.ts';
import {quoted} from './finding.ts';

/** The checks of one sequence that need to know no other. */
export const SEQUENCE_CHECKS: Checks<SequenceDraft> = {
  errors: [
    argsHaveNames,
    requiredArgsHaveNoDefault,
    otherArgsHaveDefaults,
    argNamesAreUnique,
    hasNodes,
    aclEntriesAreForAdminsOrOps,
    aclEntriesHaveRoles,
    aclRolesAreUnique,
    limitsFit,
  ],
  warnings: [setsAreUnique],
};

const GROUPS = ['required', 'optional', 'static'] as const;

function inGroups(sequence: SequenceDraft, see: (arg: ArgDraft, group: (typeof GROUPS)[number]) => Problem | undefined): readonly Problem[] {
  return GROUPS.flatMap((group) => sequence.args[group].flatMap((arg) => see(arg, group) ?? []));
}

function argsHaveNames(sequence: SequenceDraft): readonly Problem[] {
  return inGroups(sequence, ({place, name}, group) =>
    hasText(name) ? undefined : {place, kind: 'missing', field: `args.${group}.name`, message: 'every argument must have a name'},
  );
}

function requiredArgsHaveNoDefault({args}: SequenceDraft): readonly Problem[] {
  return args.required
    .filter((arg) => arg.default !== undefined)
    .map(({place, name = '', default: value}) => {
      const message = `required argument ${quoted(name)} must not have a default: it is ${quoted(shownValue(value))}. An argument with a default is optional`;
      return {place, kind: 'invalid', field: 'args.required.default', values: [shownValue(value), name], message};
    });
}

function otherArgsHaveDefaults(sequence: SequenceDraft): readonly Problem[] {
  return inGroups(sequence, ({place, name = '', default: value}, group) => {
    if (group === 'required' || value !== undefined) return undefined;
    const message = `${group} argument ${quoted(name)} must have a default; it may be empty text, ""`;
    return {place, kind: 'missing', field: `args.${group}.default`, values: [name], message};
  });
}

function argNamesAreUnique({args}: SequenceDraft): readonly Problem[] {
  return repeated([...args.required, ...args.optional, ...args.static], ({name}) => name).map(({place, name = ''}) => {
    const message = `${quoted(name)} is the name of two arguments; required, optional and static ones share their names`;
    return {place, kind: 'duplicate', field: 'args.*.name', values: [name], message};
  });
}

function hasNodes(sequence: SequenceDraft): readonly Problem[] {
  if (sequence.nodes.size > 0) return [];
  return [{place: placeOf(sequence, 'nodes'), kind: 'missing', field: 'nodes', message: 'a sequence must have at least one node'}];
}

function aclEntriesAreForAdminsOrOps({acl}: SequenceDraft): readonly Problem[] {
  return acl
    .filter(({admin, ops}) => admin && ops.length > 0)
    .map(({place, role = '', ops}) => {
      const message = `role ${quoted(role)} has both admin and ops: an admin may do everything, so name only one of them`;
      return {place, kind: 'invalid', field: 'acl.admin', values: ['true', ...ops], message};
    });
}

function aclEntriesHaveRoles({acl}: SequenceDraft): readonly Problem[] {
  const message = 'every entry must name the role that it is for';
  return acl.filter(({role}) => !hasText(role)).map(({place}) => ({place, kind: 'missing', field: 'acl.role', message}));
}

function aclRolesAreUnique({acl}: SequenceDraft): readonly Problem[] {
  return repeated(acl, ({role}) => role).map(({place, role = ''}) => {
    return {place, kind: 'duplicate', field: 'acl.role', values: [role], message: `role ${quoted(role)} has two entries; put them into one`};
  });
}

function limitsFit(sequence: SequenceDraft): readonly Problem[] {
  const {request, timeout, concurrency} = sequence;
  const problems: Problem[] = [];
  const wrong = (field: string, value: string, message: string): void => {
    problems.push({place: placeOf(sequence, field), kind: 'invalid', field, values: [value], message});
  };
  const limits = {timeout, concurrency};
  for (const [field, value] of Object.entries(limits)) {
    if (value !== undefined && !request)
      wrong(field, String(value), 'is a limit of a whole request; this sequence is none (request: true is not set)');
  }
  if (timeout !== undefined && !((parseGoDuration(timeout) ?? 0) > 0)) wrong('timeout', timeout, 'must be a duration above 0, such as 90s or 1h30m');
  if (concurrency === 0) wrong('concurrency', '0', 'must be 1 or more');
  return problems;
}

/** Two setters of one name. What is set twice within one node is for that node's checks. */
function setsAreUnique(sequence: SequenceDraft): readonly Problem[] {
  const {args, nodes} = sequence;
  const own = [...args.required, ...args.optional, ...args.static].map(({name, place}) => ({name, place, by: 'this sequence'}));
  const set = [...nodes.values()].flatMap((node) => {
    const entries = node.sets.flatMap((entry) =>
      isNullEntry(entry) ? [] : [{name: entry.as ?? entry.arg, place: entry.place, by: `node ${quoted(node.name)}`}],
    );
    return [...new Map(entries.map((entry) => [entry.name, entry])).values()];
  });
  const groups = groupBy([...own, ...set], ({name}) => name ?? '');
  return [...groups].flatMap(([name, setters]): Problem[] => {
    const by = [...new Set(setters.map((setter) => setter.by))];
    const last = setters.at(-1);
    if (name === '' || by.length < 2 || last === undefined) return [];
    const message = `${quoted(name)} is set by ${by.join(' and ')}; the one that is built last wins`;
    return [{place: last.place, kind: 'duplicate', field: 'nodes.sets.as', values: [name], message}];
  });
}

function hasText(text: string | undefined): text is string {
  return text !== undefined && text !== '';
}

function shownValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
