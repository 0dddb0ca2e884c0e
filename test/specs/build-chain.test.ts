import {readFile} from 'node:fs/promises';
import {describe, expect, test} from 'vitest';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {buildChain} from '../../src/specs/build-chain.ts';
import {NamedJobIds} from '../../src/specs/job-ids.ts';
import {built, idOf, jobsNamed, layersOf, PlainMaker} from '../support/built-chain.ts';
import {ChainWorld} from '../support/chain-world.ts';
import {invalid} from '../support/refusals.ts';
import {specsOf} from '../support/specs.ts';

const linear = specsOf(await readFile(new URL('../compat/spincycle/fixtures/linear.yaml', import.meta.url), 'utf8'));
const maker = (): PlainMaker => new PlainMaker({load: {handle: 'h1'}});

describe('a chain that was built', () => {
  test('runs: all its jobs complete, in their order', async () => {
    const chain = await built(linear, 'calibrate', {field: 'x'}, maker());
    const world = new ChainWorld(chain).run();
    expect(world.launched).toEqual(['load', 'solve', 'save'].map((name) => `${idOf(chain, name)}/1`));
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_finished: 7, jobs_total: 7});
  });

  test('tries a sequence again as a whole, where its node says so', async () => {
    const chain = await built(linear, 'calibrate-again', {field: 'x'}, maker());
    const [load, solve, save] = ['load', 'solve', 'save'].map((name) => idOf(chain, name));
    const world = new ChainWorld(chain, (job, number) => ({state: job === save && number < 3 ? 'FAIL' : 'COMPLETE'})).run();
    expect(world.launched).toEqual([1, 2, 3].flatMap((number) => [load, solve, save].map((job) => `${job}/${number}`)));
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_finished: 11});
  });
});

describe('2.3 and 2.5 what a called sequence sees', () => {
  const specs = specsOf(`sequences:
  r:
    request: true
    args: {required: [{name: mode}], static: [{name: hidden, default: h}, {name: other, default: y}]}
    nodes:
      c: {category: conditional, if: mode, eq: {x: leaf}, sets: [{arg: made, as: result}]}
      d: {category: conditional, if: mode, eq: {x: leaf}, args: [{expected: mode, given: other}, {expected: extra, given: result}], deps: [c]}
  leaf:
    args: {optional: [{name: mode, default: none}, {name: extra, default: e}], static: [{name: fixed, default: f}]}
    nodes: {j: {category: job, type: t, args: [{expected: mode}, {expected: extra}, {expected: fixed}], sets: [{arg: made}]}}
`);

  test('what its caller passes, what a conditional tests, its own defaults, and nothing else; it hands back what it sets', async () => {
    const chain = await built(specs, 'r', {mode: 'x'}, new PlainMaker({t: {made: 'm'}}));
    expect(jobsNamed(chain, 'j').map(({args}) => args)).toEqual([
      {mode: 'x', extra: 'e', fixed: 'f'},
      // Chosen by the value in the caller's scope; passed what the node lists.
      {mode: 'y', extra: 'm', fixed: 'f'},
    ]);
  });
});

const PAIRS = `sequences:
  pairs:
    request: true
    args: {required: [{name: l}, {name: m}]}
    nodes: {j: {category: job, type: t, each: ["l:e", "m:f"]}}
`;

describe('expansions', () => {
  test('several lists are walked together, and have to be of one length', async () => {
    const specs = specsOf(PAIRS);
    const args = jobsNamed(await built(specs, 'pairs', {l: [1, 2], m: ['a', null]}), 'j').map(({args: given}) => given);
    expect(args).toEqual([
      {e: 1, f: 'a'},
      {e: 2, f: null},
    ]);
    await expect(built(specs, 'pairs', {l: [1, 2], m: [1]})).rejects.toThrow(invalid('node "j"', 'different lengths', '"l" has 2', '"m" has 1'));
  });

  test('a chain of more than 100,000 jobs is refused, before its jobs are created', async () => {
    const jobs = new PlainMaker();
    const refusal = built(specsOf(PAIRS), 'pairs', {l: Array(100_000).fill(0), m: Array(100_000).fill(0)}, jobs);
    await expect(refusal).rejects.toThrow(expect.objectContaining({code: 'too_large', detail: expect.stringContaining('100000')}));
    expect(jobs.asked).toEqual([]);
  });

  test('arguments that grow with the square of a list are refused before they eat the memory', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {required: [{name: l}]}
    nodes: {j: {category: job, type: t, each: ["l:e"], args: [{expected: all, given: l}]}}
`);
    const refusal = built(specs, 'r', {l: Array(20_000).fill('a long enough text')});
    await expect(refusal).rejects.toThrow(expect.objectContaining({code: 'too_large', detail: expect.stringContaining('node "j"')}));
  });

  test('sequences that call each other too deep, or too often, are refused', async () => {
    const ladder = (rungs: number, width: number): string =>
      Array.from({length: rungs}, (_, n) => {
        const nodes = Array.from({length: width}, (__, m) => `n${m}: {category: sequence, type: s${n + 1}}`).join(', ');
        return `  s${n}: {request: true, nodes: {${nodes}}}\n`;
      }).join('') + `  s${rungs}: {nodes: {j: {category: job, type: t}}}\n`;
    await expect(built(specsOf(`sequences:\n${ladder(2000, 1)}`), 's0', {})).rejects.toThrow(invalid('more than 500 deep'));
    const wide = built(specsOf(`sequences:\n${ladder(30, 2)}`), 's0', {});
    await expect(wide).rejects.toThrow(expect.objectContaining({code: 'too_large'}));
  });
});

describe('jobs', () => {
  test('the sequence noop is there for branches in which there is nothing to do', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {required: [{name: a}]}
    nodes: {c: {category: conditional, if: a, eq: {x: leaf, default: noop}}}
  leaf: {nodes: {j: {category: job, type: t}}}
`);
    expect(layersOf(await built(specs, 'r', {a: 'y'})).slice(2, 6)).toEqual(['conditional_c_begin', 'noop_begin', 'noop_end', 'conditional_c_end']);
  });

  test('a job carries what its type, its node and its creation say; its arguments are those before its creation', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {required: [{name: a}]}
    timeout: 1h
    concurrency: 5
    nodes:
      j: {category: job, type: t, args: [{expected: a}], retry: 2, retryBackoff: 1.5, retryMaxWait: 1m, retryDeadline: 1h, timeout: 3s}
      k: {category: job, type: t}
      l: {category: job, type: server}
`);
    const type = {run: {kind: 'command', command: ['run']}, cluster: 'east', count: 3, timeout: '9s'} as const;
    const requestId = 'r1';
    const chain = await buildChain(
      specs,
      'r',
      {a: [1]},
      {
        requestId,
        ids: new NamedJobIds(),
        defaultCluster: 'local',
        maker: {
          make: (job) => {
            expect(job).toMatchObject({requestId, id: job.name});
            return Promise.resolve({args: {a: 'changed', b: 1}, ...(job.type === 't' ? {bytes: 'e30=', runs: type} : {})});
          },
        },
      },
    );
    const shared = {type: 't', cluster: 'east', count: 3, bytes: 'e30=', sequence: 'request_r_begin'};
    const retries = {retry: 2, retry_wait: '0s', retry_backoff: 1.5, retry_max_wait: '1m', retry_deadline: '1h'};
    expect(chain.jobs['j']).toEqual({...shared, ...retries, timeout: '3s', args: {a: [1]}});
    expect(chain.jobs['k']).toEqual({...shared, retry: 0, timeout: '9s'});
    expect(chain.jobs['l']).toEqual({type: 'server', cluster: 'local', count: 1, retry: 0, sequence: 'request_r_begin'});
    expect(chain).toMatchObject({types: {t: type}, timeout: '1h', concurrency: 5});
    expect(Object.keys(chain.types ?? {})).toEqual(['t']);
  });

  test('a job that cannot be created keeps the request from being made; the error says where, and keeps its kind', async () => {
    const refusal = (code: 'invalid' | 'unavailable'): Promise<Chain> =>
      built(linear, 'calibrate-again', {field: 'x'}, {make: () => Promise.reject(new ControlPlaneError(code, 'no such field'))});
    await expect(refusal('invalid')).rejects.toThrow(
      expect.objectContaining({code: 'invalid', detail: 'spec.yaml:10: sequence "calibrate", node "load": no such field'}),
    );
    await expect(refusal('unavailable')).rejects.toThrow(expect.objectContaining({code: 'unavailable'}));
  });
});
