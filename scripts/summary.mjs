// Sums the test runner's JSON reports: `node summary.mjs REPORT…`. Its last line is `N passed, N failed, N skipped`.
import {readFileSync} from 'node:fs';
import {argv} from 'node:process';
import {pathToFileURL} from 'node:url';

/**
 * @typedef {{passed: number, failed: number, skipped: number, failures: string[], unsteady: string[], skippedTitles: string[], problems: string[]}} Summary
 */

/**
 * Adds up vitest's JSON reports. A test file that could not be loaded, and an error outside any test, count as one failure each: no test says so.
 *
 * @param {readonly {name: string, text: string | undefined}[]} reports `text` undefined: the run left no report
 * @returns {Summary}
 */
export function summarize(reports) {
  const sum = {passed: 0, failed: 0, skipped: 0, failures: [], unsteady: [], skippedTitles: [], problems: []};
  for (const {name, text} of reports) {
    let report;
    try {
      report = JSON.parse(text ?? '');
    } catch {
      sum.problems.push(`${name}: the test run left no readable report`);
      continue;
    }
    let failed = 0;
    for (const file of report.testResults ?? []) {
      let failedHere = 0;
      for (const test of file.assertionResults ?? []) {
        if (test.status === 'passed') {
          sum.passed++;
          const [first] = test.failureMessages ?? [];
          if (first !== undefined) sum.unsteady.push(`${test.fullName ?? test.title}: ${inShort(first)}`);
        } else if (test.status === 'failed') {
          failedHere++;
          sum.failures.push(`${test.fullName ?? test.title}: ${inShort(test.failureMessages?.[0] ?? '')}`);
        } else {
          sum.skipped++;
          sum.skippedTitles.push(test.fullName ?? test.title);
        }
      }
      if (file.status === 'failed' && failedHere === 0) {
        failedHere++;
        sum.problems.push(`${file.name}: ${(file.message || 'failed outside its tests').split('\n')[0]}`);
      }
      failed += failedHere;
    }
    if (report.success === false && failed === 0) {
      failed++;
      sum.problems.push(`${name}: the run failed outside its tests`);
    }
    sum.failed += failed;
  }
  return sum;
}

/** What an error says first, and where in the tests it was thrown. @param {string} message with the stack */
function inShort(message) {
  const [said = ''] = message.split('\n');
  const place = /\btest\/[^\s():]+:\d+/.exec(message)?.[0];
  return `${said.slice(0, 300)}${place === undefined ? '' : ` (${place})`}`;
}

/** @param {Summary} sum */
export function summaryLines(sum) {
  return [
    ...sum.problems.map((text) => `problem: ${text}`),
    ...sum.skippedTitles.map((title) => `skipped: ${title}`),
    ...sum.unsteady.map((text) => `passed only when tried again: ${text}`),
    // Last, since what is kept of a long output is often its end.
    ...sum.failures.map((text) => `failed: ${text}`),
    `${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`,
  ];
}

/** @param {Summary} sum */
export function isGood(sum) {
  return sum.failed === 0 && sum.problems.length === 0 && sum.passed > 0;
}

function readOrNothing(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  const sum = summarize(argv.slice(2).map((path) => ({name: path, text: readOrNothing(path)})));
  console.log(summaryLines(sum).join('\n'));
  process.exitCode = isGood(sum) ? 0 : 1;
}
