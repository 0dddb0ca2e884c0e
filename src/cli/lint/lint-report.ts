import {join} from 'node:path';
import {formatFinding, quoted, quotedList} from '../../specs/finding.ts';
import {isBuiltIn} from '../../specs/noop-sequence.ts';
import type {Finding, Specs} from '../../specs/spec.ts';
import type {LintOptions} from './lint-arguments.ts';

/** What the linter prints, and with which exit code it ends. */
export interface LintReport {
  readonly lines: readonly string[];
  readonly exitCode: 0 | 1;
}

type Paint = (code: string, text: string) => string;

/**
 * Says what was found: per file, or per sequence of a file, a header, then its errors and its warnings, both numbered.
 *
 * The exit code looks at everything, also at what `sequences` and `warnings` leave out of sight: a check that is green has to mean that the specs load.
 */
export function lintReport(specs: Specs, options: LintOptions, hasColor: boolean): LintReport {
  const {directory, isStrict, showsWarnings, sequences} = options;
  const paint: Paint = hasColor ? (code, text) => `\u001b[${code}m${text}\u001b[0m` : (_, text) => text;
  const own = [...specs.sequences.values()].filter((sequence) => !isBuiltIn(sequence)).map(({name}) => name);
  const known = new Set([...own, ...specs.findings.flatMap(({sequence}) => sequence ?? [])]);
  const unknown = (sequences ?? []).filter((name) => !known.has(name));
  if (unknown.length > 0) return {lines: [paint('31', `There is no sequence ${quotedList(unknown)} in ${quoted(directory)}.`)], exitCode: 1};

  const isListed = ({sequence}: Finding): boolean => sequence === undefined || sequences === undefined || sequences.includes(sequence);
  const errors = specs.findings.filter(({severity}) => severity === 'error');
  const warnings = specs.findings.filter(({severity}) => severity === 'warning');
  const shown = specs.findings.filter((finding) => isListed(finding) && (showsWarnings || finding.severity === 'error'));
  const lines = sections(shown, directory, paint);
  const isEmpty = known.size === 0 && specs.jobTypes.size === 0 && errors.length === 0;
  const isBad = isEmpty || errors.length > 0 || (isStrict && warnings.length > 0);

  const summary: string[] = [];
  if (isEmpty) summary.push(paint('31', `No specs found in ${quoted(directory)}.`));
  const elsewhere = [...errors, ...(isStrict ? warnings : [])].filter((finding) => !isListed(finding));
  if (elsewhere.length > 0) {
    const names = new Set(elsewhere.flatMap(({sequence}) => sequence ?? []));
    summary.push(paint('31', `Not shown, and yet wrong: ${plural(elsewhere.length, 'finding')} in ${quotedList(names)}.`));
  }
  const hidden = showsWarnings ? 0 : warnings.filter(isListed).length;
  if (hidden > 0) summary.push(`${plural(hidden, 'warning')} not shown (--warnings=false)${isStrict ? ', which --strict counts as errors' : ''}.`);
  if (errors.length + warnings.length > 0)
    summary.push(paint(isBad ? '31' : '33', `${plural(errors.length, 'error')}, ${plural(warnings.length, 'warning')}.`));
  else if (!isEmpty) summary.push(paint('32', `OK: ${plural(own.length, 'sequence')}, ${plural(specs.jobTypes.size, 'job type')}.`));
  return {lines: [...lines, ...summary], exitCode: isBad ? 1 : 0};
}

/** Findings come sorted by file and line; those of one sequence are put together where its first one stands. */
function sections(findings: readonly Finding[], directory: string, paint: Paint): readonly string[] {
  const groups = Map.groupBy(findings, ({place, sequence}) => JSON.stringify([place.file, sequence ?? null]));
  return [...groups.values()].flatMap((group) => {
    const {place, sequence} = group[0] as Finding;
    const header = `${shownPath(directory, place.file)}${sequence === undefined ? '' : `: sequence ${quoted(sequence)}`}`;
    const list = (severity: Finding['severity'], title: string): string[] => {
      const some = group.filter((finding) => finding.severity === severity);
      return some.length === 0 ? [] : [title, ...some.map((finding, index) => `    ${index + 1}. ${formatItem(finding, directory)}`)];
    };
    return [paint('1', header), ...list('error', `  ${paint('31', 'Errors')}`), ...list('warning', `  ${paint('33', 'Warnings')}`), ''];
  });
}

/** Without its sequence, which the header names, and with a path that an editor can open. */
function formatItem(finding: Finding, directory: string): string {
  return formatFinding({...finding, sequence: undefined, place: {...finding.place, file: joined(directory, finding.place.file)}});
}

function shownPath(directory: string, file: string): string {
  return quoted(joined(directory, file)).slice(1, -1);
}

/** What could not even be listed is called as it was asked for. */
function joined(directory: string, file: string): string {
  return file === directory ? file : join(directory, file);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
