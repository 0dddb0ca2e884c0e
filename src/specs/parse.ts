import {CALL_CHECKS} from './call-checks.ts';
import {runChecks} from './check.ts';
import {fillDefaults} from './defaults.ts';
import type {SequenceDraft} from './draft.ts';
import {sortFindings} from './finding.ts';
import {finishSequence} from './finish-sequence.ts';
import {checkGraphs} from './graph-checks.ts';
import {NODE_CHECKS} from './node-checks.ts';
import {NOOP_SEQUENCE} from './noop-sequence.ts';
import {readFiles} from './read-file.ts';
import type {SpecFile} from './read-file.ts';
import {SEQUENCE_CHECKS} from './sequence-checks.ts';
import type {Finding, JobTypeSpec, Specs} from './spec.ts';

/**
 * Reads and checks specs: YAML, then defaults, then what can be said of each sequence and node, then of their graphs. A sequence that fails one step
 * is not looked at in the next, so that each mistake is named once.
 *
 * Never throws for what stands in the files. `earlier` are findings of whoever read them.
 */
export function parseSpecs(files: readonly SpecFile[], earlier: readonly Finding[] = []): Specs {
  const findings = [...earlier];
  const drafts = readFiles(files, (finding) => findings.push(finding));
  const unreadable = [...drafts.unreadable, ...earlier.flatMap(({severity, place}) => (severity === 'error' ? [place.file] : []))];
  const named = new Map(Array.from(drafts.sequences, ([name, draft]) => [name, fillDefaults(draft)]));
  const sequences = named.has(NOOP_SEQUENCE.name) ? named : new Map([...named, [NOOP_SEQUENCE.name, NOOP_SEQUENCE]]);

  const refused = new Set<string>();
  for (const sequence of sequences.values()) {
    const found = sequence.isBroken || sequence === NOOP_SEQUENCE ? [] : staticFindings(sequence, sequences, unreadable);
    findings.push(...found);
    if (sequence.isBroken || found.some(({severity}) => severity === 'error')) refused.add(sequence.name);
  }
  const graphs = checkGraphs(sequences, {refused, jobTypes: drafts.jobTypes});
  findings.push(...graphs.findings);

  return {
    sequences: new Map([...sequences].filter(([name]) => !graphs.broken.has(name)).map(([name, draft]) => [name, finishSequence(draft)])),
    jobTypes: new Map(
      [...drafts.jobTypes].flatMap(([name, {spec}]): (readonly [string, JobTypeSpec])[] => (spec === undefined ? [] : [[name, spec]])),
    ),
    findings: sortFindings(findings),
  };
}

/** The static checks of one sequence and its nodes. */
function staticFindings(sequence: SequenceDraft, sequences: ReadonlyMap<string, SequenceDraft>, unreadable: readonly string[]): readonly Finding[] {
  const about = {sequence: sequence.name};
  return [
    ...runChecks(SEQUENCE_CHECKS, sequence, about),
    ...[...sequence.nodes.values()].flatMap((node) => [
      ...runChecks(NODE_CHECKS, node, {...about, node: node.name}),
      ...runChecks(CALL_CHECKS, {node, sequences, unreadable}, {...about, node: node.name}),
    ]),
  ];
}
