import {present} from './draft.ts';
import type {NodeArgDraft, NodeDraft, NodeSetDraft, NullEntry} from './draft.ts';
import {isNull, MapReader, typeError} from './map-reader.ts';
import type {ReadContext} from './map-reader.ts';
import type {Place} from './spec.ts';
import type {YamlEntry, YamlNode} from './yaml-tree.ts';

/** Reads one node of a sequence. `undefined`, with an error noted, when it is not even a mapping. */
export function readNode(name: string, {line, value}: YamlEntry, outer: ReadContext): NodeDraft | undefined {
  const context = {...outer, node: name};
  const reader = MapReader.of(value, '', context);
  if (reader === undefined) return undefined;
  const place = (at: number): Place => ({file: context.file, line: at});
  const eq = reader.entries('eq', true).flatMap(([key, entry]) => {
    const sequence =
      entry.value.kind === 'scalar' && !isNull(entry.value) ? entry.value.text : typeError(entry.value, 'eq', 'the name of a sequence', context);
    return sequence === undefined ? [] : [[key, {sequence, place: place(entry.line)}] as const];
  });
  const draft = present<NodeDraft>({
    name,
    place: place(line),
    lines: reader.lines(),
    category: reader.text('category'),
    type: reader.text('type'),
    args: entriesOf(reader.list('args'), 'args.', context, (entry, at): NodeArgDraft => {
      return present<NodeArgDraft>({place: at, expected: entry.name('expected'), given: entry.name('given')});
    }),
    sets: entriesOf(reader.list('sets'), 'sets.', context, (entry, at): NodeSetDraft => {
      return present<NodeSetDraft>({place: at, arg: entry.name('arg'), as: entry.name('as')});
    }),
    deps: reader.texts('deps').map(({text}) => text),
    each: reader.texts('each').map(({text, line: at}) => ({text, place: place(at)})),
    parallel: reader.count('parallel'),
    retry: reader.count('retry'),
    retryWait: reader.text('retryWait'),
    retryBackoff: reader.number('retryBackoff'),
    retryMaxWait: reader.text('retryMaxWait'),
    retryDeadline: reader.text('retryDeadline'),
    if: reader.text('if'),
    eq: reader.has('eq') ? new Map(eq) : undefined,
    timeout: reader.text('timeout'),
  });
  reader.finish();
  return draft;
}

/** The entries of a list of mappings. A null one is kept, for the checks to name. */
function entriesOf<T>(
  items: readonly YamlNode[],
  path: string,
  context: ReadContext,
  read: (entry: MapReader, place: Place) => T,
): (T | NullEntry)[] {
  return items.flatMap((item): (T | NullEntry)[] => {
    const place = {file: context.file, line: item.line};
    if (isNull(item)) return [{place, isNull: true}];
    const reader = MapReader.of(item, path, context);
    if (reader === undefined) return [];
    const entry = read(reader, place);
    reader.finish();
    return [entry];
  });
}
