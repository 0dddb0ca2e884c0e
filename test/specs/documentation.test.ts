import {readFile} from 'node:fs/promises';
import {expect, test} from 'vitest';
import {parseSpecs} from '../../src/specs/parse.ts';

const page = await readFile(new URL('../../docs/specs.md', import.meta.url), 'utf8');
const examples = Array.from(page.matchAll(/```yaml\n(.*?)```/gs), ([, text = '']) => text);

test('the example of the documentation has no findings', () => {
  expect(examples).toHaveLength(1);
  const specs = parseSpecs(examples.map((text, index) => ({name: `example-${index}.yaml`, text})));
  expect(specs.findings).toEqual([]);
  expect([...specs.sequences.keys()]).toEqual(['survey', 'process-tile', 'notify', 'noop']);
  expect([...specs.jobTypes.keys()]).toEqual(['list-tiles', 'fetch', 'reduce', 'tell']);
});

test('the documentation names every key that there is', () => {
  // A key that nobody knows is answered with those that are known.
  const text = `x: 0
sequences: {s: {x: 0, args: {x: 0, required: [{name: a, x: 0}]}, acl: [{role: r, x: 0}], nodes: {n: {category: job, type: t, x: 0, args: [{expected: a, x: 0}], sets: [{arg: b, x: 0}]}}}}
jobs: {j: {x: 0, http: {url: "http://h", x: 0}}}
`;
  const {findings} = parseSpecs([{name: 'a.yaml', text}]);
  const keys = findings.flatMap(({message}) => /the keys are (.*)$/.exec(message)?.[1]?.split(', ') ?? []);
  expect(findings).toHaveLength(10);
  expect(new Set(keys)).toContain('retryBackoff');
  for (const key of new Set(keys)) expect(page).toMatch(new RegExp(`[\`{. ,]${key}[\`:,} ]`));
});
