import {describe, expect, test} from 'vitest';
import {runChecks} from '../../../src/specs/check.ts';
import {NODE_CHECKS} from '../../../src/specs/node-checks.ts';
import {readFiles} from '../../../src/specs/read-file.ts';
import {brief, found, foundInNode as foundIn, specsOf} from '../../support/specs.ts';

describe('4.13 static node checks: category and each', () => {
  test('case 118: a node without a category', () => {
    expect(foundIn('{type: t}')).toEqual(['error missing category']);
  });

  test('case 119: a category that does not exist', () => {
    expect(foundIn('{category: zzz, type: t}')).toEqual(['error invalid category "zzz"']);
  });

  test('case 120: an entry of each without an element', () => {
    expect(foundIn('{category: job, type: t, each: [list]}')).toEqual(['error invalid each "list"']);
    expect(foundIn('{category: job, type: t, each: ["a:b:c"]}')).toEqual(['error invalid each "a:b:c"']);
  });

  test('case 121: one element from two lists', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x", "b:x"]}')).toEqual(['error duplicate each "x"']);
  });

  test('case 122: two elements from one list are a warning', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x", "a:y"]}')).toEqual(['warning duplicate each "a"']);
  });
});

describe('4.13 static node checks: args', () => {
  test('case 123: an empty entry of args', () => {
    expect(foundIn('{category: job, type: t, args: [null]}')).toEqual(['error invalid args "null"']);
  });

  test('case 124: an entry of args without expected', () => {
    expect(foundIn('{category: job, type: t, args: [{given: a}]}')).toEqual(['error missing args.expected']);
  });

  test('case 125: one expected twice, both without given', () => {
    expect(foundIn('{category: job, type: t, args: [{expected: a}, {expected: a}]}')).toEqual(['error duplicate args.expected "a"']);
  });

  test('case 126: one expected twice, given differently', () => {
    const node = '{category: job, type: t, args: [{expected: x, given: a}, {expected: x, given: b}]}';
    expect(foundIn(node)).toEqual(['error duplicate args.expected "x"']);
  });

  test('case 127: one expected twice, given once', () => {
    expect(foundIn('{category: job, type: t, args: [{expected: a}, {expected: a, given: b}]}')).toEqual(['error duplicate args.expected "a"']);
  });

  test('case 128: one given as two expecteds is a warning', () => {
    const node = '{category: job, type: t, args: [{expected: x, given: a}, {expected: y, given: a}]}';
    expect(foundIn(node)).toEqual(['warning duplicate args.given "a"']);
  });

  test('case 129: an element that is also an expected', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x"], args: [{expected: x, given: b}]}')).toEqual(['error duplicate each "x"']);
  });

  test('case 130: a list that is also a given is a warning', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x"], args: [{expected: y, given: a}]}')).toEqual(['warning duplicate each "a"']);
  });

  test('case 131: a list that is also a given under its own name is a warning', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x"], args: [{expected: a, given: a}]}')).toEqual(['warning duplicate each "a"']);
  });

  test('case 132: a list that is also an expected passes as long as given is not filled in', () => {
    const file = {name: 'spec.yaml', text: 'sequences: {s: {nodes: {n: {category: job, type: t, each: ["a:x"], args: [{expected: a}]}}}}'};
    const node = readFiles([file], () => undefined)
      .sequences.get('s')
      ?.nodes.get('n');
    expect(node?.args).toMatchObject([{expected: 'a'}]);
    expect(node === undefined ? undefined : runChecks(NODE_CHECKS, node, {})).toEqual([]);
  });
});

describe('4.13 static node checks: sets', () => {
  test('case 133: an empty entry of sets', () => {
    expect(foundIn('{category: job, type: t, sets: [null]}')).toEqual(['error invalid sets "null"']);
  });

  test('case 134: an entry of sets without arg', () => {
    expect(foundIn('{category: job, type: t, sets: [{as: x}]}')).toEqual(['error missing sets.arg']);
  });

  test('case 135: one as twice, for the same arg', () => {
    expect(foundIn('{category: job, type: t, sets: [{arg: x, as: y}, {arg: x, as: y}]}')).toEqual(['error duplicate sets.as "y"']);
  });

  test('case 136: one as twice, for different args', () => {
    expect(foundIn('{category: job, type: t, sets: [{arg: x, as: z}, {arg: y, as: z}]}')).toEqual(['error duplicate sets.as "z"']);
  });

  test("case 137: an arg under its own name that is another's as", () => {
    expect(foundIn('{category: job, type: t, sets: [{arg: x}, {arg: y, as: x}]}')).toEqual(['error duplicate sets.as "x"']);
  });

  test('case 138: one arg under two names is a warning', () => {
    expect(foundIn('{category: job, type: t, sets: [{arg: x, as: y}, {arg: x, as: z}]}')).toEqual(['warning duplicate sets.arg "x"']);
  });
});

describe('4.13 static node checks: fields of each category', () => {
  test('case 139: parallel without each', () => {
    expect(foundIn('{category: job, type: t, parallel: 2}')).toEqual(['error missing each']);
  });

  test('case 140: parallel of 0', () => {
    expect(foundIn('{category: job, type: t, each: ["a:x"], parallel: 0}')).toEqual(['error invalid parallel "0"']);
  });

  test('case 141: a conditional with a type', () => {
    expect(foundIn('{category: conditional, type: t, if: a, eq: {x: noop}}')).toEqual(['error invalid type "t"']);
  });

  test('case 142: a conditional without if', () => {
    expect(foundIn('{category: conditional, eq: {x: noop}}')).toEqual(['error missing if']);
  });

  test('case 143: a conditional without eq', () => {
    expect(foundIn('{category: conditional, if: a}')).toEqual(['error missing eq']);
    expect(foundIn('{category: conditional, if: a, eq: {}}')).toEqual(['error missing eq']);
  });

  test('case 144: a job or a sequence without a type', () => {
    expect(foundIn('{category: job}')).toEqual(['error missing type']);
    expect(foundIn('{category: sequence}')).toEqual(['error missing type']);
  });

  test('case 145: a job with if', () => {
    expect(foundIn('{category: job, type: t, if: a}')).toEqual(['error invalid if "a"']);
  });

  test('case 146: a job with eq', () => {
    expect(foundIn('{category: job, type: t, eq: {x: noop}}')).toEqual(['error invalid eq "x"']);
  });

  test('case 147: retryWait without retry', () => {
    expect(foundIn('{category: job, type: t, retryWait: 3s}')).toEqual(['error missing retry']);
    expect(foundIn('{category: job, type: t, retry: 0, retryWait: 3s}')).toEqual(['error missing retry']);
  });

  test('case 148: a retryWait that is no duration', () => {
    expect(foundIn('{category: job, type: t, retry: 1, retryWait: zzz}')).toEqual(['error invalid retryWait "zzz"']);
  });
});

const CALLEES = `
  wants-pq: {args: {required: [{name: p}, {name: q}]}, nodes: {n: {category: job, type: t}}}
  wants-p: {args: {required: [{name: p}], optional: [{name: o, default: ""}]}, nodes: {n: {category: job, type: t}}}
  wants-four: {args: {required: [{name: p}, {name: q}, {name: r}, {name: u}]}, nodes: {n: {category: job, type: t}}}
`;

describe('4.13 static node checks: calls', () => {
  test('case 149: a sequence node that misses a required argument', () => {
    expect(foundIn('{category: sequence, type: wants-pq, args: [{expected: p, given: a}]}', CALLEES)).toEqual(['error missing args "q"']);
  });

  test('case 150: a conditional that misses a required argument of one of its targets', () => {
    const node = '{category: conditional, if: a, eq: {x: wants-p, y: wants-pq}, args: [{expected: p, given: b}]}';
    expect(foundIn(node, CALLEES)).toEqual(['error missing args "q"']);
  });

  test('case 151: of four required arguments two come by each, two by args with one in both, and one is missing', () => {
    const node = '{category: sequence, type: wants-four, each: ["a:p", "b:q"], args: [{expected: q, given: c}, {expected: r, given: d}]}';
    expect(foundIn(node, CALLEES).toSorted()).toEqual(['error duplicate each "q"', 'error missing args "u"']);
  });

  test('case 152: a sequence node that passes exactly what is declared', () => {
    const node = '{category: sequence, type: wants-p, args: [{expected: p, given: a}, {expected: o, given: b}]}';
    expect(foundIn(node, CALLEES)).toEqual([]);
  });

  test('case 153: a conditional that passes what any of its targets declares', () => {
    const args = '[{expected: p, given: b}, {expected: q, given: c}, {expected: o, given: d}]';
    expect(foundIn(`{category: conditional, if: a, eq: {x: wants-p, y: wants-pq}, args: ${args}}`, CALLEES)).toEqual([]);
  });

  test('case 154: an expanded sequence that passes what is declared through each and args', () => {
    const node = '{category: sequence, type: wants-pq, each: ["a:p"], args: [{expected: q, given: b}]}';
    expect(foundIn(node, CALLEES)).toEqual([]);
  });

  test('case 155: an argument that the called sequence does not declare is a warning that lists it alone', () => {
    const node = '{category: sequence, type: wants-p, args: [{expected: p, given: a}, {expected: extra, given: b}]}';
    expect(foundIn(node, CALLEES)).toEqual(['warning invalid args "extra"']);
  });

  test('case 156: an argument that no target of a conditional declares is a warning that lists it alone', () => {
    const args = '[{expected: p, given: b}, {expected: q, given: c}, {expected: extra, given: d}]';
    expect(foundIn(`{category: conditional, if: a, eq: {x: wants-p, y: wants-pq}, args: ${args}}`, CALLEES)).toEqual([
      'warning invalid args "extra"',
    ]);
  });

  test('case 157: an element that the expanded sequence does not declare is a warning that lists it alone', () => {
    const node = '{category: sequence, type: wants-p, each: ["a:p", "b:extra"]}';
    expect(foundIn(node, CALLEES)).toEqual(['warning invalid each "extra"']);
  });

  test('case 158: a branch to a sequence that is not defined', () => {
    expect(foundIn('{category: conditional, if: a, eq: {x: noop, default: nowhere}}')).toEqual(['error invalid eq "nowhere"']);
  });

  test('case 159: a call of a sequence that is not defined', () => {
    expect(foundIn('{category: sequence, type: nowhere}')).toEqual(['error invalid type "nowhere"']);
  });
});

describe('4.23 additional cases', () => {
  test('case 351: noop is a target that does nothing (mended)', () => {
    const specs = specsOf('sequences: {s: {args: {required: [{name: a}]}, nodes: {n: {category: conditional, if: a, eq: {default: noop}}}}}');
    expect(specs.findings).toEqual([]);
    expect(specs.sequences.get('noop')).toMatchObject({request: false, nodes: new Map()});
  });

  test('a noop of the specs takes the place of the built-in one, even one that cannot be used', () => {
    const specs = specsOf('sequences: {noop: {nodes: {n: {category: job, type: t}}}, s: {nodes: {n: {category: sequence, type: noop}}}}');
    expect(specs.findings).toEqual([]);
    expect([...(specs.sequences.get('noop')?.nodes.keys() ?? [])]).toEqual(['n']);
    expect(found('sequences: {noop: {request: maybe}, s: {nodes: {n: {category: sequence, type: noop}}}}')).toEqual([
      'error type request "maybe"',
      'error graph type "noop"',
    ]);
  });

  test('findings name file, line, sequence, node, field and values', () => {
    const specs = specsOf(
      'sequences:\n  s:\n    nodes:\n      n:\n        category: job\n        type: t\n        retryWait: soon\n        retry: 1\n',
    );
    expect(specs.findings).toMatchObject([
      {
        place: {file: 'spec.yaml', line: 7},
        sequence: 's',
        node: 'n',
        field: 'retryWait',
        values: ['soon'],
        message: expect.stringContaining('"soon"'),
      },
    ]);
    expect(brief(specs.findings)).toEqual(['error invalid retryWait "soon"']);
  });
});
