import {parseSpecs} from '../../src/specs/parse.ts';
import type {Finding, Specs} from '../../src/specs/spec.ts';

/** Specs of one file, `spec.yaml`. */
export function specsOf(text: string): Specs {
  return parseSpecs([{name: 'spec.yaml', text}]);
}

/** Findings in short: `error missing args.expected "x"`. */
export function brief(findings: readonly Finding[]): string[] {
  return findings.map(({severity, kind, field, values}) => {
    return [severity, kind, ...(field === undefined ? [] : [field]), ...(values ?? []).map((value) => JSON.stringify(value))].join(' ');
  });
}

/** What is found in a file, in short. */
export function found(text: string): string[] {
  return brief(specsOf(text).findings);
}

/** What is found in a sequence that has the arguments a to f, which are lists, texts or whatever a node takes them for, and `node` as its only node, `n`. */
export function foundInNode(node: string, others = ''): string[] {
  return found(`sequences:
  s:
    args: {required: [{name: a}, {name: b}, {name: c}, {name: d}, {name: e}, {name: f}]}
    nodes:
      n: ${node}
${others}`);
}
