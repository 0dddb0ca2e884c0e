import {describe, expect, test} from 'vitest';
import {runChecks} from '../../../src/specs/check.ts';
import type {Check} from '../../../src/specs/check.ts';
import {found} from '../../support/specs.ts';

const passes: Check<string> = () => [];
const fails: Check<string> = (subject) => [
  {place: {file: 'f.yaml', line: 3}, kind: 'invalid', field: 'field', values: [subject], message: 'is wrong'},
];

function severities(errors: readonly Check<string>[], warnings: readonly Check<string>[]): string[] {
  return runChecks({errors, warnings}, 'x', {sequence: 's', node: 'n'}).map(({severity}) => severity);
}

describe('4.11 checker aggregation', () => {
  test('case 102: when all checks pass there is neither error nor warning', () => {
    expect(severities([passes, passes], [passes])).toEqual([]);
    expect(found('sequences: {s: {nodes: {n: {category: job, type: t}}}}')).toEqual([]);
  });

  test('case 103: when only warning checks fail there are warnings only', () => {
    expect(severities([passes, passes], [fails, passes])).toEqual(['warning']);
  });

  test('case 104: when all fail there are both, and each finding has its subject', () => {
    expect(severities([fails, fails], [fails])).toEqual(['error', 'error', 'warning']);
    expect(runChecks({errors: [fails], warnings: []}, 'x', {sequence: 's', node: 'n'})).toEqual([
      {
        severity: 'error',
        sequence: 's',
        node: 'n',
        place: {file: 'f.yaml', line: 3},
        kind: 'invalid',
        field: 'field',
        values: ['x'],
        message: 'is wrong',
      },
    ]);
  });

  test('case 105: when only error checks fail there are errors only', () => {
    expect(severities([passes, fails], [passes])).toEqual(['error']);
  });
});
