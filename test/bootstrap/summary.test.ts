import {expect, test} from 'vitest';
import {isGood, summarize, summaryLines} from '../../scripts/summary.mjs';

const aTest = (status: string, fullName = 'a test') => ({status, fullName, title: fullName});
const aReport = (files: readonly object[], success = true) => JSON.stringify({success, testResults: files});
const aFile = (status: string, tests: readonly object[], message = '') => ({name: 'x.test.ts', status, message, assertionResults: tests});

test('the counts of several reports are added up', () => {
  const sum = summarize([
    {name: 'one', text: aReport([aFile('passed', [aTest('passed'), aTest('passed')])])},
    {name: 'two', text: aReport([aFile('passed', [aTest('passed'), aTest('pending', 'waits for a cluster')])])},
  ]);

  expect(summaryLines(sum)).toEqual(['skipped: waits for a cluster', '3 passed, 0 failed, 1 skipped']);
  expect(isGood(sum)).toBe(true);
});

test('a failed test is named with what went wrong and where, and makes the sum bad', () => {
  const failureMessages = ['Error: expected 1 to be 2\n    at check (/x/node_modules/y.js:1:2)\n    at /x/test/a/b.test.ts:12:3'];
  const failed = {...aTest('failed', 'it counts'), failureMessages};
  const sum = summarize([{name: 'one', text: aReport([aFile('failed', [aTest('passed'), failed])], false)}]);

  expect(summaryLines(sum)).toEqual(['failed: it counts: Error: expected 1 to be 2 (test/a/b.test.ts:12)', '1 passed, 1 failed, 0 skipped']);
  expect(isGood(sum)).toBe(false);
});

test('a test that passed when it was tried again is named, and counts as passed', () => {
  const unsteady = {...aTest('passed', 'it waits'), failureMessages: ['Error: still false\n    at /x/test/a.test.ts:1:3']};
  const sum = summarize([{name: 'one', text: aReport([aFile('passed', [unsteady])])}]);

  expect(summaryLines(sum)).toEqual([
    'passed only when tried again: it waits: Error: still false (test/a.test.ts:1)',
    '1 passed, 0 failed, 0 skipped',
  ]);
  expect(isGood(sum)).toBe(true);
});

test('a test file that could not be loaded counts as a failure', () => {
  const sum = summarize([{name: 'one', text: aReport([aFile('failed', [], 'SyntaxError: no'), aFile('passed', [aTest('passed')])], false)}]);

  expect(summaryLines(sum)).toEqual(['problem: x.test.ts: SyntaxError: no', '1 passed, 1 failed, 0 skipped']);
});

test('an error outside any test counts as a failure', () => {
  const sum = summarize([{name: 'one', text: aReport([aFile('passed', [aTest('passed')])], false)}]);

  expect(summaryLines(sum).at(-1)).toBe('1 passed, 1 failed, 0 skipped');
  expect(isGood(sum)).toBe(false);
});

test('a run without a report, or with half of one, is named and makes the sum bad', () => {
  const good = {name: 'one', text: aReport([aFile('passed', [aTest('passed')])])};
  for (const text of [undefined, '{"testResults": [']) {
    const sum = summarize([good, {name: 'two', text}]);

    expect(summaryLines(sum)).toEqual(['problem: two: the test run left no readable report', '1 passed, 0 failed, 0 skipped']);
    expect(isGood(sum)).toBe(false);
  }
});

test('no test at all is not good', () => {
  expect(isGood(summarize([{name: 'one', text: aReport([])}]))).toBe(false);
});
