import {readFile} from 'node:fs/promises';
import {beforeAll, describe, expect, test} from 'vitest';
import type {Specs} from '../../../src/specs/spec.ts';
import {brief, found, specsOf} from '../../support/specs.ts';

describe('4.14 graph checks', () => {
  let specs: Specs;
  beforeAll(async () => {
    specs = specsOf(await readFile(new URL('fixtures/wrong-graphs.yaml', import.meta.url), 'utf8'));
  });

  const foundIn = (...sequences: readonly string[]): string[] => brief(specs.findings.filter(({sequence}) => sequences.includes(sequence ?? '')));

  test('errors stand on exactly the sequences that are wrong; the others can be used', () => {
    const wrong = 'sets-too-much sets-not-in-all hidden-arg node-cycle unknown-dep calls-broken ring-1 ring-2 ring-3'.split(' ');
    expect(new Set(specs.findings.map(({sequence}) => sequence))).toEqual(new Set(wrong));
    expect([...specs.sequences.keys()]).toEqual(['sets-common', 'gives-ab', 'gives-ac', 'gives-abc', 'fine', 'noop']);
    expect(specs.findings.every(({severity, kind}) => severity === 'error' && kind === 'graph')).toBe(true);
  });

  test('case 164: what a caller says is set and its callee does not set is an error of the caller alone', () => {
    expect(foundIn('sets-too-much', 'gives-ab')).toEqual(['error graph sets.arg "c"']);
  });

  test('case 165: what a conditional says is set and not all its targets set is an error of the caller alone', () => {
    expect(foundIn('sets-not-in-all', 'gives-ab', 'gives-ac', 'gives-abc').toSorted()).toEqual([
      'error graph sets.arg "b"',
      'error graph sets.arg "c"',
    ]);
    expect(foundIn('sets-common')).toEqual([]);
  });

  test("case 166: an argument that a dependency's callee sets, and the calling node does not take over, is an error of the caller alone", () => {
    expect(foundIn('hidden-arg', 'gives-ab')).toEqual(['error graph args.given "b"']);
  });

  test('case 167: nodes that depend on each other', () => {
    expect(foundIn('node-cycle')).toEqual(['error graph deps "c"', 'error graph deps "b"']);
    expect(foundIn('unknown-dep')).toEqual(['error graph deps "nowhere"']);
  });

  test('case 168: a caller of a sequence with errors has an error that names it', () => {
    expect(foundIn('node-cycle')).not.toEqual([]);
    expect(foundIn('calls-broken')).toEqual(['error graph type "node-cycle"']);
  });

  test('case 169: a conditional with two wrong targets and a right one has errors for the two; the right one has none', () => {
    const text = `sequences:
  caller: {args: {required: [{name: a}]}, nodes: {n: {category: conditional, if: a, eq: {x: wrong-1, y: right, z: wrong-2}}}}
  wrong-1: {nodes: {n: {category: job, type: t, deps: [n]}}}
  wrong-2: {nodes: {n: {category: job}}}
  right: {nodes: {n: {category: job, type: t}}}
`;
    expect(found(text)).toEqual(['error graph eq "wrong-1"', 'error graph eq "wrong-2"', 'error graph deps "n"', 'error missing type']);
    expect([...specsOf(text).sequences.keys()]).toEqual(['right', 'noop']);
  });

  test('case 170: three sequences that call each other in a ring, once through a conditional, are all wrong', () => {
    expect(foundIn('ring-1', 'ring-2', 'ring-3')).toEqual(['error graph type "ring-2"', 'error graph eq "ring-3"', 'error graph type "ring-1"']);
  });

  test('a sequence is refused however far away the error is', () => {
    const text = `sequences:
  far: {nodes: {n: {category: sequence, type: near}}}
  near: {nodes: {n: {category: sequence, type: ring}}}
  ring: {nodes: {n: {category: sequence, type: ring}}}
`;
    expect(found(text)).toEqual(['error graph type "near"', 'error graph type "ring"', 'error graph type "ring"']);
  });
});

describe('4.23 additional cases', () => {
  const NODES = [
    'make: {category: job, type: t, sets: [{arg: x}]}',
    'between: {category: job, type: t, deps: [make]}',
    'use: {category: job, type: t, args: [{expected: x}], deps: [DEPS]}',
    'other: {category: job, type: t}',
  ];

  function inEveryOrder<T>(items: readonly T[]): T[][] {
    return items.length === 0 ? [[]] : items.flatMap((item, index) => inEveryOrder(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
  }

  test('case 352: a missing dependency on the node that sets an argument is an error, in whatever order the nodes stand (mended)', () => {
    for (const nodes of inEveryOrder(NODES)) {
      const text = (deps: string): string => `sequences: {s: {nodes: {${nodes.join(', ').replace('DEPS', deps)}}}}`;
      expect(found(text(''))).toEqual(['error graph args.given "x"']);
      expect(found(text('other'))).toEqual(['error graph args.given "x"']);
      expect(found(text('between'))).toEqual([]);
      expect(specsOf(text('')).findings[0]?.message).toContain('"make"');
    }
  });
});
