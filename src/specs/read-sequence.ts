import {present} from './draft.ts';
import type {AclDraft, ArgDraft, NodeDraft, SequenceDraft} from './draft.ts';
import {MapReader} from './map-reader.ts';
import type {ReadContext} from './map-reader.ts';
import {readNode} from './read-node.ts';
import type {Finding, Place} from './spec.ts';
import type {YamlEntry, YamlNode} from './yaml-tree.ts';

/** Reads one sequence. What cannot be read of it is noted, and makes it broken. */
export function readSequence(name: string, {line, value}: YamlEntry, outer: ReadContext): SequenceDraft {
  let isBroken = false;
  const note = (finding: Finding): void => {
    if (finding.severity === 'error') isBroken = true;
    outer.note(finding);
  };
  const context: ReadContext = {...outer, sequence: name, note};
  const place: Place = {file: context.file, line};
  const reader = MapReader.of(value, '', context);
  if (reader === undefined)
    return {name, place, lines: new Map(), isBroken, request: false, args: {required: [], optional: [], static: []}, acl: [], nodes: new Map()};

  const request = reader.flag('request') ?? false;
  const args = readArgs(reader.map('args'), context);
  const acl = readMaps(reader.list('acl'), 'acl.', context, readAcl);
  const nodes = reader.entries('nodes').flatMap(([key, entry]) => {
    const node = readNode(key, entry, context);
    return node === undefined ? [] : [[key, node] as const];
  });
  const limits = {timeout: reader.text('timeout'), concurrency: reader.count('concurrency')};
  reader.finish();
  return present<SequenceDraft>({
    name,
    place,
    lines: reader.lines(),
    isBroken,
    request,
    args,
    acl,
    nodes: new Map<string, NodeDraft>(nodes),
    ...limits,
  });
}

function readArgs(reader: MapReader | undefined, context: ReadContext): SequenceDraft['args'] {
  const group = (name: string): ArgDraft[] => readMaps(reader?.list(name) ?? [], `args.${name}.`, context, readArg);
  const args = {required: group('required'), optional: group('optional'), static: group('static')};
  reader?.finish();
  return args;
}

function readArg(reader: MapReader, place: Place): ArgDraft {
  return present<ArgDraft>({place, name: reader.name('name'), desc: reader.text('desc'), default: reader.value('default')});
}

function readAcl(reader: MapReader, place: Place): AclDraft {
  const ops = reader.texts('ops').map(({text}) => text);
  return present<AclDraft>({place, role: reader.name('role'), admin: reader.flag('admin') ?? false, ops});
}

/** The entries of a list of mappings; others are noted. */
function readMaps<T>(items: readonly YamlNode[], path: string, context: ReadContext, read: (reader: MapReader, place: Place) => T): T[] {
  return items.flatMap((item) => {
    const reader = MapReader.of(item, path, context);
    if (reader === undefined) return [];
    const entry = read(reader, {file: context.file, line: item.line});
    reader.finish();
    return [entry];
  });
}
