import {readFile} from 'node:fs/promises';
import {beforeAll, describe, expect, test} from 'vitest';
import {checkChain} from '../../../src/model/chain-check.ts';
import {NOOP} from '../../../src/schema/chain.ts';
import type {Chain, PlannedJob} from '../../../src/schema/chain.ts';
import type {Specs} from '../../../src/specs/spec.ts';
import {built, idOf, inOrder, jobsNamed, layersOf, PlainMaker} from '../../support/built-chain.ts';
import {invalid} from '../../support/refusals.ts';
import {specsOf} from '../../support/specs.ts';

const TILES = ['a', 'b', 'c', 'd'];
const ARGS = {region: 'r', band: 'K'};
const maker = (tiles: unknown = TILES): PlainMaker =>
  new PlainMaker({load: {handle: 'h1'}, 'list-tiles': {tiles}, probe: {host: 'n1'}, m1: {url: 'u'}});

const survey = (specs: Specs, tiles: unknown = TILES): Promise<Chain> => built(specs, 'survey', ARGS, maker(tiles));
const publish = (specs: Specs, mode: unknown, type = 'publish'): Promise<Chain> => built(specs, type, {item: 'i', mode}, maker());
const sizeOf = (chain: Chain): number => Object.keys(chain.jobs).length;
const words = (text: string): string[] => text.split(' ');
const pattern = (node: string, sequence: string, jobs: readonly string[], count: number): string[] => {
  const times = count === 1 ? '' : ` ×${count}`;
  return [`sequence_${node}_begin`, `${sequence}_begin`, ...jobs, `${sequence}_end`, `sequence_${node}_end`].map((name) => `${name}${times}`);
};
let linear: Specs;
let expansion: Specs;
let renamed: Specs;
let batches: Specs;
let branches: Specs;
beforeAll(async () => {
  const read = async (name: string): Promise<Specs> => {
    const specs = specsOf(await readFile(new URL(`fixtures/${name}.yaml`, import.meta.url), 'utf8'));
    expect(specs.findings.filter(({severity}) => severity === 'error')).toEqual([]);
    return specs;
  };
  linear = await read('linear');
  expansion = await read('expansion');
  renamed = await read('renamed');
  batches = await read('batches');
  branches = await read('branches');
});

describe('4.4 creation of a request', () => {
  test('case 47: three jobs in a line, one of which sets what the next one needs, make a chain of seven', async () => {
    const chain = await built(linear, 'calibrate', {field: 'x'}, maker());
    expect(sizeOf(chain)).toBe(7);
    expect(layersOf(chain)).toEqual(words('request_calibrate_begin calibrate_begin load solve save calibrate_end request_calibrate_end'));
    expect(jobsNamed(chain, 'load')[0]).toMatchObject({args: {field: 'x'}, retry: 1, retry_wait: '500ms'});
    expect(jobsNamed(chain, 'solve')[0]).toMatchObject({args: {handle: 'h1'}, retry: 3, retry_wait: '0s'});
    expect(jobsNamed(chain, 'save')[0]).not.toHaveProperty('args');
  });

  test('a job that does not set what its node says it sets keeps the request from being made', async () => {
    const refusal = built(linear, 'calibrate', {field: 'x'}, new PlainMaker());
    await expect(refusal).rejects.toThrow(invalid('spec.yaml:', 'sequence "calibrate", node "load"', '"handle"'));
  });

  test('a sequence that is tried again has its retries on the job that begins it', async () => {
    const chain = await built(linear, 'calibrate-again', {field: 'x'}, maker());
    expect(sizeOf(chain)).toBe(11);
    const [request, again] = [idOf(chain, 'request_calibrate-again_begin'), idOf(chain, 'sequence_again_begin')];
    expect(chain.sequences).toEqual({[request]: {retry: 0, retry_wait: '0s'}, [again]: {retry: 10, retry_wait: '500ms', parent: request}});
  });
});

describe('4.14 graphs of requests', () => {
  test('case 160: a request with expansions and a fan at its end has the order that is written', async () => {
    const chain = await survey(expansion);
    const after = (name: string): (string | undefined)[] => (chain.adjacency[idOf(chain, name)] ?? []).map((id) => chain.jobs[id]?.name);
    expect(after('verify')).toEqual(['store', 'notify']);
    expect(after('store')).toEqual(['survey_end']);
    expect(after('notify')).toEqual(['survey_end']);
    expect(after('merge')).toEqual(['verify']);
  });

  test('case 161: what is built twice is the same', async () => {
    expect(await survey(expansion)).toEqual(await survey(expansion));
    const [one, two] = [maker(), maker()];
    await built(expansion, 'survey', ARGS, one);
    await built(expansion, 'survey', ARGS, two);
    expect(two.asked).toEqual(one.asked);
    expect(one.asked.slice(0, 4).map(({name}) => name)).toEqual(['list-tiles', 'probe', 'reprobe', 'probe']);
  });

  test('case 162: the same request with renamed sets is built', async () => {
    expect(sizeOf(await survey(renamed))).toBe(70);
  });

  test('case 163: a request with conditionals is built', async () => {
    expect(sizeOf(await publish(branches, 'quick'))).toBe(17);
  });
});

const SURVEY = [
  ...words('request_survey_begin survey_begin list-tiles repeat_check_begin repeat_check_begin'),
  ...pattern('check', 'check-tile', ['probe', 'reprobe'], 4),
  ...words('repeat_check_end repeat_check_end plan repeat_process_begin repeat_process_begin'),
  ...pattern('process', 'process-tile', ['p1', 'p2', 'p3'], 4),
  ...words('repeat_process_end repeat_process_end merge verify'),
  'notify, store',
  ...words('survey_end request_survey_end'),
];

describe('4.16 building a chain', () => {
  test('case 180: jobs get the arguments that their nodes list, under the names that they expect; a noop gets none', async () => {
    const chain = await survey(expansion);
    for (const job of inOrder(chain)) if (job.type === NOOP) expect(job).not.toHaveProperty('args');
    const argsOf = (name: string): unknown[] => jobsNamed(chain, name).map(({args}) => args);
    expect(argsOf('list-tiles')).toEqual([{region: 'r'}]);
    expect(argsOf('plan')).toEqual([{...ARGS, tiles: TILES}]);
    expect(argsOf('store')).toEqual([{target: 'cold-1'}]);
    expect(argsOf('probe')).toEqual(TILES.map((t) => ({t})));
    expect(argsOf('reprobe')).toEqual(TILES.map((t) => ({h: 'n1', t})));
    expect(argsOf('p3')).toEqual(TILES.map((t) => ({t})));
  });

  const retrying = ({retry, retry_wait}: PlannedJob): boolean => retry > 0 || retry_wait !== undefined;

  test('case 181: only the job whose node says so is tried again', async () => {
    expect(inOrder(await survey(expansion)).filter(retrying)).toEqual([expect.objectContaining({name: 'list-tiles', retry: 3, retry_wait: '10s'})]);
  });

  test('case 182: each instance of a sequence has its own retries, filed under the job that begins it', async () => {
    const chain = await survey(expansion);
    const names = Object.entries(chain.sequences ?? {}).map(([first, {retry, retry_wait}]) => [chain.jobs[first]?.name, retry, retry_wait]);
    expect(names).toEqual([
      ['request_survey_begin', 0, '0s'],
      ...TILES.map(() => ['sequence_check_begin', 3, '10s']),
      ...TILES.map(() => ['sequence_process_begin', 0, undefined]),
    ]);
    for (const {parent} of Object.values(chain.sequences ?? {}).slice(1)) expect(parent).toBe(idOf(chain, 'request_survey_begin'));
  });

  test('case 183: the layers of a request with two expansions', async () => {
    const chain = await survey(expansion);
    expect(layersOf(chain)).toEqual(SURVEY);
    expect(sizeOf(chain)).toBe(70);
  });

  test('case 184: the layers are the same with renamed sets', async () => {
    expect(layersOf(await survey(renamed))).toEqual(SURVEY);
  });

  test('case 185: an empty list is expanded to nothing, and what depends on it comes all the same', async () => {
    const chain = await survey(expansion, []);
    expect(layersOf(chain)).toEqual([
      ...words('request_survey_begin survey_begin list-tiles noop_check_begin noop_check_end plan noop_process_begin noop_process_end merge verify'),
      'notify, store',
      ...words('survey_end request_survey_end'),
    ]);
    expect(sizeOf(chain)).toBe(14);
    expect(Object.keys(chain.sequences ?? {})).toHaveLength(1);
  });

  const MAP = words('publish-map_begin m1 m2 publish-map_end');
  const TABLE = words('publish-table_begin t1 publish-table_end');
  const conditional = (node: string, content: readonly string[]): string[] => [`conditional_${node}_begin`, ...content, `conditional_${node}_end`];
  const published = (second: readonly string[]): string[] => [
    ...words('request_publish_begin publish_begin prep'),
    ...conditional('by-kind', MAP),
    ...conditional('by-mode', second),
    ...words('tidy publish_end request_publish_end'),
  ];

  test('case 186: a conditional becomes the sequence that its value chooses', async () => {
    expect(layersOf(await publish(branches, 'quick')).slice(3, 9)).toEqual(conditional('by-kind', MAP));
  });

  test('case 187: two conditionals, one after the other', async () => {
    expect(layersOf(await publish(branches, 'quick'))).toEqual(published(TABLE));
  });

  test('case 188: a conditional within the sequence that another one chooses', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {required: [{name: a}, {name: b}]}
    nodes: {outer: {category: conditional, if: a, eq: {x: middle}, args: [{expected: b}]}}
  middle:
    args: {required: [{name: b}]}
    nodes: {inner: {category: conditional, if: b, eq: {y: leaf}}}
  leaf: {nodes: {j: {category: job, type: t}}}
`);
    const chain = await built(specs, 'r', {a: 'x', b: 'y'});
    expect(layersOf(chain)).toEqual(
      words(
        'request_r_begin r_begin conditional_outer_begin middle_begin conditional_inner_begin leaf_begin j leaf_end conditional_inner_end middle_end conditional_outer_end r_end request_r_end',
      ),
    );
    const [inner, outer, request] = ['conditional_inner_begin', 'conditional_outer_begin', 'request_r_begin'].map((name) => idOf(chain, name));
    expect(chain.sequences?.[inner ?? '']).toEqual({retry: 0, parent: outer});
    expect(chain.sequences?.[outer ?? '']).toEqual({retry: 0, parent: request});
  });

  test('case 189: a value that is no option chooses the default', async () => {
    const chain = await publish(branches, 'other');
    expect(layersOf(chain)).toEqual(published(MAP));
    expect(sizeOf(chain)).toBe(18);
  });

  test('case 190: a value that is no option, without a default, is refused with the options', async () => {
    await expect(publish(branches, 'slow', 'strict-publish')).rejects.toThrow(
      invalid('spec.yaml:', 'sequence "strict-publish", node "only"', '"mode"', '"slow"', '"quick"'),
    );
  });

  test('a value that is not text chooses nothing', async () => {
    await expect(publish(branches, 3, 'strict-publish')).rejects.toThrow(invalid('node "only"', '"mode" is not a string'));
    await expect(publish(branches, null, 'strict-publish')).rejects.toThrow(invalid('"mode" is not a string, but null'));
  });

  test('case 191: instances come in batches, one after the other', async () => {
    const chain = await survey(batches);
    const batch = (node: string, sequence: string, jobs: readonly string[], count: number): string[] => [
      `repeat_${node}_begin`,
      ...pattern(node, sequence, jobs, count),
      `repeat_${node}_end`,
    ];
    const check = (count: number): string[] => batch('check', 'check-tile', ['probe', 'reprobe'], count);
    const process = (count: number): string[] => batch('process', 'process-tile', ['p1', 'p2', 'p3'], count);
    expect(layersOf(chain)).toEqual([
      ...words('request_survey_begin survey_begin list-tiles repeat_check_begin'),
      ...[...check(3), ...check(1)],
      ...words('repeat_check_end plan repeat_process_begin'),
      ...[...process(2), ...process(2)],
      ...words('repeat_process_end merge verify'),
      'notify, store',
      ...words('survey_end request_survey_end'),
    ]);
    expect(sizeOf(chain)).toBe(74);
  });

  const OPTIONAL = `sequences:
  r:
    request: true
    args: {optional: [{name: o, default: "7"}]}
    nodes: {j: {category: job, type: t, args: [{expected: o}]}}
`;

  test('case 192: a job gets an optional argument as it was given, or its default', async () => {
    const specs = specsOf(OPTIONAL);
    expect(jobsNamed(await built(specs, 'r', {o: 'mine'}), 'j')[0]?.args).toEqual({o: 'mine'});
    expect(jobsNamed(await built(specs, 'r', {}), 'j')[0]?.args).toEqual({o: '7'});
  });

  test('case 193: text cannot be expanded', async () => {
    await expect(survey(expansion, 'abcd')).rejects.toThrow(invalid('sequence "survey", node "check", each', '"tiles" is not a list, but a string'));
  });

  test('case 194: an empty default chooses the default; sequence ids are those of the jobs that begin', async () => {
    const specs = specsOf(`sequences:
  r:
    request: true
    args: {optional: [{name: o, default: ""}]}
    nodes: {c: {category: conditional, if: o, eq: {yes: other, default: leaf}}}
  leaf: {nodes: {j: {category: job, type: t}}}
  other: {nodes: {k: {category: job, type: t}}}
`);
    const chain = await built(specs, 'r', {});
    expect(layersOf(chain)).toEqual(words('request_r_begin r_begin conditional_c_begin leaf_begin j leaf_end conditional_c_end r_end request_r_end'));
    const [request, inner] = [idOf(chain, 'request_r_begin'), idOf(chain, 'conditional_c_begin')];
    expect(inOrder(chain).map(({sequence}) => sequence)).toEqual([request, request, inner, inner, inner, inner, inner, request, request]);
  });

  test('one element is expanded without repeat jobs', async () => {
    const chain = await survey(expansion, ['z']);
    expect(sizeOf(chain)).toBe(23);
    expect(layersOf(chain)).toEqual(SURVEY.filter((layer) => !layer.startsWith('repeat_')).map((layer) => layer.replace(' ×4', '')));
  });

  test('every job has an id of four characters, and the chain passes the checks of chains from outside', async () => {
    for (const chain of [await survey(expansion), await survey(batches), await publish(branches, 'quick')]) {
      for (const id of Object.keys(chain.jobs)) expect(id).toMatch(/^[a-zA-Z0-9]{4}$/);
      expect(() => checkChain(chain)).not.toThrow();
    }
  });
});

const EACH = `sequences:
  r:
    request: true
    args: {required: [{name: l}], optional: [{name: m, default: []}]}
    nodes:
      j: {category: job, type: t, each: ["l:e"], sets: [{arg: e, as: last}]}
      k: {category: job, type: u, args: [{expected: last}], deps: [j]}
`;

describe('4.23 expansions', () => {
  test('case 350: a null is no list; one element has no repeat jobs; the last element counts; an empty list sets nothing (mended)', async () => {
    const specs = specsOf(EACH);
    await expect(built(specs, 'r', {l: null})).rejects.toThrow(invalid('node "j"', '"l" is not a list, but null'));
    const one = await built(specs, 'r', {l: ['x']});
    expect(layersOf(one)).toEqual(words('request_r_begin r_begin j k r_end request_r_end'));
    expect(jobsNamed(await built(specs, 'r', {l: ['x', 'y', 'z']}), 'k')[0]?.args).toEqual({last: 'z'});
    await expect(built(specs, 'r', {l: []})).rejects.toThrow(invalid('node "k"', '"last" is not set'));
  });
});

describe('4.23 noop jobs', () => {
  test('case 354: noop jobs are made without the job maker (mended)', async () => {
    const specs = specsOf('sequences:\n  r:\n    request: true\n    nodes: {n: {category: job, type: noop}}\n');
    const jobs = new PlainMaker();
    const chain = await built(specs, 'r', {}, jobs);
    expect(jobs.asked).toEqual([]);
    expect(inOrder(chain).map(({type, cluster, retry}) => [type, cluster, retry])).toEqual(Array(5).fill([NOOP, '', 0]));
  });
});
