import type {SequenceDraft} from './draft.ts';
import {error, formatPlace, quoted, warning} from './finding.ts';
import type {Note} from './finding.ts';
import {MapReader} from './map-reader.ts';
import type {ReadContext} from './map-reader.ts';
import {readJobType} from './read-job-type.ts';
import {readSequence} from './read-sequence.ts';
import type {Finding, JobTypeSpec, Place} from './spec.ts';
import {readYaml} from './yaml-tree.ts';

/** One file of specs. `name` is what findings call it. */
export interface SpecFile {
  readonly name: string;
  readonly text: string;
}

/** What stands in all files. A job type is `undefined` where it is declared and cannot be used. */
export interface SpecDrafts {
  readonly sequences: ReadonlyMap<string, SequenceDraft>;
  readonly jobTypes: ReadonlyMap<string, {readonly place: Place; readonly spec: JobTypeSpec | undefined}>;
  /** Files of which nothing could be read. */
  readonly unreadable: readonly string[];
}

/** Reads files of specs, each on its own: what is wrong in one takes nothing out of the others. A name counts where it stands first. */
export function readFiles(files: readonly SpecFile[], note: Note): SpecDrafts {
  const sequences = new Map<string, SequenceDraft>();
  const jobTypes = new Map<string, {place: Place; spec: JobTypeSpec | undefined}>();
  const unreadable: string[] = [];
  for (const {name: file, text} of files) {
    const {root, errors, warnings} = readYaml(text);
    for (const {line, message} of warnings) note(warning({place: {file, line}}, {kind: 'syntax', message}));
    for (const {line, message} of errors) note(error({place: {file, line}}, {kind: 'syntax', message: `not YAML that can be read: ${message}`}));
    if (root === undefined) unreadable.push(file);
    if (root === undefined || (root.kind === 'scalar' && root.value === null)) continue; // An empty file says nothing, and nothing wrong.
    const context: ReadContext = {file, note};
    const reader = MapReader.of(root, '', context);
    if (reader === undefined) continue;
    for (const [name, entry] of reader.entries('sequences')) {
      const draft = readSequence(name, entry, context);
      const first = sequences.get(name);
      if (first === undefined) sequences.set(name, draft);
      else note(definedTwice('sequence', name, draft.place, first.place));
    }
    for (const [name, entry] of reader.entries('jobs')) {
      const declared = {place: {file, line: entry.line}, spec: readJobType(name, entry, context)};
      const first = jobTypes.get(name);
      if (first === undefined) jobTypes.set(name, declared);
      else note(definedTwice('job type', name, declared.place, first.place));
    }
    reader.finish();
  }
  return {sequences, jobTypes, unreadable};
}

function definedTwice(what: 'sequence' | 'job type', name: string, place: Place, first: Place): Finding {
  const message = `${what} ${quoted(name)} is defined already, at ${formatPlace(first)}; this one does not count`;
  const subject = what === 'sequence' ? {place, sequence: name} : {place};
  return error(subject, {kind: 'duplicate', field: what === 'sequence' ? 'sequences' : 'jobs', values: [name], message});
}
