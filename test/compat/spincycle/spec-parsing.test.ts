import {describe, expect, test} from 'vitest';
import {loadSpecs} from '../../../src/specs/load.ts';
import {directoryOf} from '../../support/spec-directory.ts';
import {brief, found, specsOf} from '../../support/specs.ts';

const SURVEY = `sequences:
  survey:
    request: true
    args:
      required: [{name: region, desc: where}]
      optional: [{name: passes, default: 175}]
    nodes:
      load: {category: job, type: load, args: [{expected: region}], retry: 3, retryWait: 10s}
`;

describe('4.10 spec parsing', () => {
  test('case 96: a valid file has no findings', () => {
    expect(found(SURVEY)).toEqual([]);
  });

  test('case 97: text where a number belongs is a type error', () => {
    const specs = specsOf('sequences: {s: {nodes: {n: {category: job, type: t, retry: often}}}}');
    expect(brief(specs.findings)).toEqual(['error type retry "often"']);
    expect(specs.findings[0]).toMatchObject({sequence: 's', node: 'n', place: {file: 'spec.yaml', line: 1}});
  });

  test('case 98: a key that stands twice is a warning, and no error', () => {
    const specs = specsOf('sequences:\n  s:\n    request: false\n    request: true\n    nodes: {n: {category: job, type: t}}\n');
    expect(brief(specs.findings)).toEqual(['warning duplicate request "request"']);
    expect(specs.findings[0]?.place.line).toBe(4);
    expect(specs.sequences.get('s')?.request).toBe(true);
  });

  test('case 99: a directory with specs and another file loads; the other is not read', async () => {
    const directory = await directoryOf({
      'a.yaml': SURVEY,
      'deep/er/b.YAML': 'sequences: {b: {nodes: {n: {category: job, type: t}}}}',
      'notes.txt': '{',
    });
    const specs = await loadSpecs(directory);
    expect(specs.findings).toEqual([]);
    expect([...specs.sequences.keys()]).toEqual(['survey', 'b', 'noop']);
    expect(specs.sequences.get('b')?.place).toEqual({file: 'deep/er/b.YAML', line: 1});
  });

  test('case 100: one sequence in two files is an error in the later one', async () => {
    const specs = await loadSpecs(await directoryOf({'a.yaml': SURVEY, 'b.yaml': SURVEY}));
    expect(brief(specs.findings)).toEqual(['error duplicate sequences "survey"']);
    expect(specs.findings[0]).toMatchObject({place: {file: 'b.yaml', line: 2}, sequence: 'survey', message: expect.stringContaining('a.yaml:2')});
    expect(specs.sequences.get('survey')?.place.file).toBe('a.yaml');
  });

  test('case 101: names, given, as and retryWait are filled in where they are missing', () => {
    const specs = specsOf(`sequences:
  s:
    args: {required: [{name: a}, {name: b}]}
    nodes:
      bare: {category: job, type: t, args: [{expected: a}], sets: [{arg: x}], retry: 3}
      told: {category: job, type: t, args: [{expected: c, given: b}], sets: [{arg: y, as: z}], retry: 3, retryWait: 10s}
      once: {category: job, type: t}
`);
    expect(specs.findings).toEqual([]);
    const sequence = specs.sequences.get('s');
    expect(sequence?.name).toBe('s');
    expect(sequence?.nodes.get('bare')).toMatchObject({
      name: 'bare',
      args: [{expected: 'a', given: 'a'}],
      sets: [{arg: 'x', as: 'x'}],
      retry: 3,
      retryWait: '0s',
    });
    expect(sequence?.nodes.get('told')).toMatchObject({
      args: [{expected: 'c', given: 'b'}],
      sets: [{arg: 'y', as: 'z'}],
      retry: 3,
      retryWait: '10s',
    });
    expect(sequence?.nodes.get('once')).toMatchObject({retry: 0, retryWait: ''});
  });
});

describe('4.23 additional cases', () => {
  test('case 353: ops as plain text is a type error that says where; the documented example is wrong', () => {
    const specs = specsOf('sequences:\n  s:\n    acl:\n      - role: r\n        ops: admin\n    nodes: {n: {category: job, type: t}}\n');
    expect(brief(specs.findings)).toEqual(['error type acl.ops "admin"']);
    expect(specs.findings[0]?.place.line).toBe(5);
    expect(specs.sequences.has('s')).toBe(false);
  });

  test('case 356: a negative retry is a type error, and a bare number as retryWait an error', () => {
    expect(found('sequences: {s: {nodes: {n: {category: job, type: t, retry: -1}}}}')).toEqual(['error type retry "-1"']);
    expect(found('sequences: {s: {nodes: {n: {category: job, type: t, retry: 1, retryWait: 5}}}}')).toEqual(['error invalid retryWait "5"']);
  });
});
