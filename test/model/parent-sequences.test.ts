import {readFile} from 'node:fs/promises';
import {describe, expect, test} from 'vitest';
import {parentSequences} from '../../src/model/parent-sequences.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {built, PlainMaker} from '../support/built-chain.ts';
import {aChain} from '../support/chain-world.ts';
import {specsOf} from '../support/specs.ts';

/** The parents that a chain says its sequences have. */
function parentsOf({sequences = {}}: Chain): Map<string, string> {
  return new Map(Object.entries(sequences).flatMap(([first, {parent}]) => (parent === undefined ? [] : [[first, parent] as const])));
}

const withSequences = (chain: Chain, sequences: Readonly<Record<string, string>>): Chain => ({
  ...chain,
  jobs: Object.fromEntries(Object.entries(chain.jobs).map(([id, job]) => [id, {...job, sequence: sequences[id] ?? '1'}])),
});

describe('which sequence lies in which', () => {
  test.each([
    ['batches', 'survey', {region: 'r', band: 'K'}],
    ['expansion', 'survey', {region: 'r', band: 'K'}],
    ['branches', 'publish', {item: 'i', mode: 'quick'}],
    ['linear', 'calibrate-again', {field: 'x'}],
  ])('the order of jobs alone says it of a chain that specs make: %s', async (file, type, args) => {
    const specs = specsOf(await readFile(new URL(`../compat/spincycle/fixtures/${file}.yaml`, import.meta.url), 'utf8'));
    const maker = new PlainMaker({load: {handle: 'h'}, 'list-tiles': {tiles: ['a', 'b', 'c', 'd']}, probe: {host: 'n'}, m1: {url: 'u'}});
    const chain = await built(specs, type, args, maker);
    expect(parentsOf(chain).size).toBeGreaterThan(0);
    expect(parentSequences(chain)).toEqual(parentsOf(chain));
  });

  test('and of sequences in sequences, side by side and one after the other', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {static: [{name: l, default: [1, 2, 3]}]}
    nodes:
      a: {category: sequence, type: s1, retry: 1}
      b: {category: sequence, type: s1, each: ["l:e"], parallel: 2}
      c: {category: job, type: t, deps: [a]}
      d: {category: sequence, type: s2, deps: [b, c]}
      e: {category: sequence, type: s3, deps: [d, b]}
  s1: {nodes: {x: {category: sequence, type: s2}, y: {category: sequence, type: s3, deps: [x]}, z: {category: job, type: t}}}
  s2: {nodes: {x: {category: sequence, type: s3}, y: {category: sequence, type: s3, deps: [x]}}}
  s3: {nodes: {x: {category: job, type: t}}}
`);
    const chain = await built(specs, 'r', {});
    expect(parentSequences(chain)).toEqual(parentsOf(chain));
  });

  test('a sequence behind the last job of another lies beside it, one behind another job in it', () => {
    const line = aChain({1: [2], 2: [3], 3: [4], 4: [5]});
    expect(parentSequences(withSequences(line, {2: '2', 3: '2', 4: '4'}))).toEqual(
      new Map([
        ['2', '1'],
        ['4', '1'],
      ]),
    );
    expect(parentSequences(withSequences(line, {2: '2', 3: '3', 4: '2'}))).toEqual(
      new Map([
        ['2', '1'],
        ['3', '2'],
      ]),
    );
  });

  test('no sequence lies in itself, whatever the jobs say', () => {
    const line = aChain({1: [2], 2: [3], 3: [4]});
    for (const sequences of [
      {1: '4', 2: '4', 3: '4', 4: '1'},
      {1: '3', 2: '2', 3: '3', 4: '2'},
      {1: '2', 2: '2', 3: '4', 4: '4'},
    ]) {
      const parents = parentSequences(withSequences(line, sequences));
      for (const start of parents.keys()) {
        const path = new Set<string>();
        for (let at: string | undefined = start; at !== undefined; at = parents.get(at)) {
          expect(path.has(at)).toBe(false);
          path.add(at);
        }
      }
    }
  });
});
