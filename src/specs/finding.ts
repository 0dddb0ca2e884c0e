import type {Finding, Place} from './spec.ts';

/** Takes what was found. */
export type Note = (finding: Finding) => void;

/** What a finding is about, besides its field. */
export interface Subject {
  readonly place: Place;
  readonly sequence?: string;
  readonly node?: string;
}

type Rest = Pick<Finding, 'kind' | 'field' | 'values' | 'message'>;

/** What makes a spec unusable. */
export function error(subject: Subject, rest: Rest): Finding {
  return found('error', subject, rest);
}

/** What is odd, and does no harm. */
export function warning(subject: Subject, rest: Rest): Finding {
  return found('warning', subject, rest);
}

function found(severity: Finding['severity'], {place, sequence, node}: Subject, rest: Rest): Finding {
  return {severity, place, ...(sequence === undefined ? {} : {sequence}), ...(node === undefined ? {} : {node}), ...rest};
}

/** Text from a spec file as it may be shown: quoted, short, without control characters, which a terminal would obey. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Several of them: `"a", "b"`. */
export function quotedList(texts: Iterable<string>): string {
  return Array.from(texts, quoted).join(', ');
}

/** `survey.yaml:12: sequence "survey", node "check", parallel: must be 1 or more`. */
export function formatFinding({place, sequence, node, field, message}: Omit<Finding, 'sequence'> & {readonly sequence?: string | undefined}): string {
  const subject = [
    ...(sequence === undefined ? [] : [`sequence ${quoted(sequence)}`]),
    ...(node === undefined ? [] : [`node ${quoted(node)}`]),
    ...(field === undefined ? [] : [field]),
  ].join(', ');
  return `${formatPlace(place)}: ${subject === '' ? '' : `${subject}: `}${message}`;
}

/** `survey.yaml:12`. */
export function formatPlace({file, line}: Place): string {
  return `${quoted(file).slice(1, -1)}:${line}`;
}

/** By file, then line; what stands in one line in the order in which it was found. */
export function sortFindings(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(({place: a}, {place: b}) => compareText(a.file, b.file) || a.line - b.line);
}

/** Order of texts by code unit, the same on every machine. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
