import {describe, expect, test} from 'vitest';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import {compileScanFilter} from '../../src/model/scan-filter.ts';
import type {Scan} from '../../src/model/manifest.ts';
import {compileFilter} from '../../src/model/filter/filter.ts';
import {aScan, aSpec, entry} from '../support/builders.ts';
import {RandomFilters} from '../support/random-filters.ts';
import type {Document} from '../support/random-filters.ts';
import {seededRandom} from '../support/seeded-random.ts';

const scan = aScan({
  spec: entry(aSpec({classifiers: {foo: 1, bar: 'x', none: null}, priority: 5})),
  progress: entry({
    progress: null,
    event_metadata: {run_id: 456, event_id: 123, event_type: 'groovy', mjd: 9876543.21, is_real_event: true},
    scan_metadata: {list: [1, 2, {deep: 'v'}], nested: {a: {b: 'c'}}, empty: {}},
    updated_at: 1_700_000_001,
  }),
}) as Scan;

const matches = (filter: Record<string, unknown>): boolean => compileScanFilter(filter).matches(scan);

describe('a filter', () => {
  test.each<[boolean, Record<string, unknown>]>([
    [true, {}],
    [true, {scan_id: 's1'}],
    [false, {scan_id: 's2'}],
    [true, {'event_metadata.run_id': 456, 'event_metadata.event_id': 123, 'event_metadata.is_real_event': true}],
    [false, {'event_metadata.run_id': '456'}],
    [false, {'event_metadata.is_real_event': 1}],
    [true, {is_deleted: false}],
    [true, {priority: {$eq: 5}}],
    [true, {priority: {$in: [1, 5]}}],
    [false, {priority: {$in: []}}],
    [true, {priority: {$gt: 4, $lt: 6}}],
    [false, {priority: {$gt: 5}}],
    [true, {priority: {$gte: 5, $lte: 5}}],
    [false, {priority: {$gt: '4'}}],
    [true, {scan_id: {$gte: 's0'}}],
    [true, {priority: {$ne: 4}}],
    [false, {priority: {$ne: 5}}],
    [true, {'no.such.field': {$ne: 1}}],
    [true, {'no.such.field': null}],
    [true, {'no.such.field': {$in: [null]}}],
    [true, {'no.such.field': {$exists: false}}],
    [false, {'no.such.field': {$exists: true}}],
    [true, {progress: {$exists: true}}],
    [true, {progress: null}],
    [true, {'classifiers.none': null}],
    [false, {'classifiers.foo': null}],
    [true, {'scan_metadata.nested': {a: {b: 'c'}}}],
    [false, {'scan_metadata.nested': {a: {}}}],
    [true, {'scan_metadata.empty': {}}],
    [true, {'scan_metadata.list': 2}],
    [true, {'scan_metadata.list': {$in: [2, 9]}}],
    [true, {'scan_metadata.list.0': 1}],
    [true, {'scan_metadata.list.deep': 'v'}],
    [false, {'scan_metadata.list': {$ne: 2}}],
    [true, {$or: [{priority: 4}, {priority: 5}]}],
    [false, {$and: [{priority: 5}, {scan_id: 's2'}]}],
    [true, {$and: [{$or: [{scan_id: 's1'}]}, {priority: {$gt: 1}}]}],
    [false, {'classifiers.constructor': {$exists: true}}],
  ])('matches: %s: %j', (expected, filter) => {
    expect(matches(filter)).toBe(expected);
  });

  test.each<[string, Record<string, unknown>]>([
    ['$where is not supported', {$where: 'while(1);'}],
    ['$expr is not supported', {$expr: {$gt: ['$a', 1]}}],
    ['$text is not supported', {$text: {$search: 'x'}}],
    ['$where is not supported', {scan_id: {$where: '1'}}],
    ['$gt is not supported', {$gt: 1}],
    ['$jsonSchema is not supported', {scan_metadata: {$elemMatch: {$jsonSchema: {}}}}],
    ['$or needs a non-empty array of filters', {$or: []}],
    ['$and needs a non-empty array of filters', {$and: [1]}],
    ['$nor needs a non-empty array of filters', {$nor: {scan_id: 's1'}}],
    ['$in needs an array', {priority: {$in: 5}}],
    ['$nin needs values, not operators', {priority: {$nin: [{$gt: 1}]}}],
    ['$not needs an object of operators', {priority: {$not: 5}}],
    ['$not needs an object of operators', {priority: {$not: {}}}],
    ['$gt stands beside the field a', {priority: {$gt: 1, a: 2}}],
    ['$mod needs an array of two numbers, the divisor and the remainder', {priority: {$mod: [2]}}],
    ['$mod needs an array of two numbers, the divisor and the remainder', {priority: {$mod: ['2', 0]}}],
    ['$mod needs a divisor other than 0', {priority: {$mod: [0.5, 0]}}],
    ['$size needs a whole number, 0 or more', {priority: {$size: -1}}],
    ['$size needs a whole number, 0 or more', {priority: {$size: '1'}}],
    ['$type knows no type text', {priority: {$type: 'text'}}],
    ['$type knows no type object', {priority: {$type: {}}}],
    ['$type needs a type', {priority: {$type: []}}],
    ['$all needs an array', {priority: {$all: 1}}],
    ['$all needs values, or $elemMatch in each place', {priority: {$all: [{$gt: 1}]}}],
    ['$all needs values, or $elemMatch in each place', {priority: {$all: [{$elemMatch: {$gt: 1}}, 1]}}],
    ['$elemMatch needs an object', {priority: {$elemMatch: 1}}],
    ['$regex needs a string', {scan_id: {$regex: 1}}],
    ['$options needs $regex beside it', {scan_id: {$options: 'i'}}],
    ['$options needs a string', {scan_id: {$regex: 'a', $options: 1}}],
    ['$regex cannot use this pattern: it has an option other than i, m, s, x, u: g', {scan_id: {$regex: 'a', $options: 'g'}}],
    ['$regex cannot use this pattern: it has a group without an end', {scan_id: {$regex: '(a'}}],
    ['$regex cannot use this pattern: it looks around, which is not offered', {scan_id: {$not: {$regex: '(?=a)'}}}],
    ['$regex cannot use this pattern: it refers back with \\1, which is not offered', {scan_id: {$regex: '(a)\\1'}}],
    ['$regex has too many and too large patterns in this filter', {$or: Array.from({length: 20}, () => ({scan_id: {$regex: 'a{900}'}}))}],
  ])('refused, by the operator and why: %s', (reason, filter) => {
    expect(refusalOf(() => compileScanFilter(filter))).toBe(`filter operator ${reason}`);
  });

  test.each<[boolean, Record<string, unknown>]>([
    [true, {scan_id: {$regex: '^S\\d$', $options: 'i'}}],
    [false, {priority: {$regex: '5'}}],
    [true, {$nor: [{scan_id: 's2'}, {priority: {$lt: 5}}]}],
    [true, {priority: {$not: {$gt: 5}}}],
    [true, {'no.such.field': {$not: {$gt: 5}}}],
    [true, {priority: {$nin: [1, 2]}}],
    [true, {'event_metadata.mjd': {$type: 'double'}}],
    [true, {'event_metadata.event_type': {$type: ['bool', 2]}}],
    [true, {priority: {$mod: [2, 1]}}],
    [true, {'scan_metadata.list': {$size: 3}}],
    [true, {'scan_metadata.list': {$all: [1, 2]}}],
    [false, {'scan_metadata.list': {$all: []}}],
    [true, {'scan_metadata.list': {$elemMatch: {$gt: 1, $lt: 3}}}],
    [true, {'scan_metadata.list': {$elemMatch: {deep: {$in: ['u', 'v']}}}}],
    [true, {'scan_metadata.list': {$all: [{$elemMatch: {$gt: 1}}, {$elemMatch: {deep: 'v'}}]}}],
    [true, {classifiers: {bar: 'x', none: null, foo: 1}}],
  ])('matches with every operator: %s: %j', (expected, filter) => {
    expect(matches(filter)).toBe(expected);
  });

  test('many conditions on a large or a computed field take no longer than the bound', () => {
    const large = aScan({spec: entry(aSpec({classifiers: {text: 'a'.repeat(500_000)}}))}) as Scan;
    const conditions = (field: string): Record<string, unknown> => ({$nor: Array.from({length: 1000}, (_, n) => ({[field]: {$regex: `b${n}`}}))});
    expect(refusalOf(() => compileScanFilter(conditions('classifiers.text')).matches(large))).toContain('takes more than');
    const from = performance.now();
    expect(compileScanFilter({$nor: Array.from({length: 50_000}, (_, n) => ({scanner_server_args: `${n}`}))}).matches(large)).toBe(true);
    expect(performance.now() - from).toBeLessThan(2000);
  });

  test('a filter that takes too long on one scan is refused', () => {
    const text = 'a'.repeat(200_000);
    const long = aScan({spec: entry(aSpec({classifiers: {text}}))}) as Scan;
    const filter = compileScanFilter({'classifiers.text': {$regex: '(a?){50}b'}});
    expect(refusalOf(() => filter.matches(long))).toBe('filter takes more than 2000000 steps on one document');
    expect(compileScanFilter({'classifiers.text': {$regex: 'a{3}$'}}).matches(long)).toBe(true);
  });
});

test('a filter with anything in any place is answered or refused, never more', () => {
  const filters = new RandomFilters(11);
  const random = seededRandom(12);
  const ODD = [
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    '',
    '$',
    '.',
    'a..b',
    '$gt',
    '(',
    '[',
    [],
    {},
    [null],
    {'': 1},
    {$gt: {$gt: 1}},
    {$not: []},
    {$regex: '\\'},
  ];
  const spoilt = (value: unknown): unknown => {
    if (random() < 0.12) return ODD[Math.floor(random() * ODD.length)];
    if (Array.isArray(value)) return value.map(spoilt);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [random() < 0.03 ? '$regex' : name, spoilt(each)]));
  };
  const outcomes = {matched: 0, not: 0, refused: 0};
  for (let n = 0; n < 20_000; n++) {
    const document = filters.document();
    const filter = spoilt(filters.filter(document));
    try {
      const read = (each: Document, name: string): unknown => (Object.hasOwn(each, name) ? each[name] : undefined);
      outcomes[compileFilter((filter ?? {}) as Document, read).matches(document) ? 'matched' : 'not']++;
    } catch (err) {
      expect([filter, err]).toEqual([filter, expect.any(ControlPlaneError)]);
      expect((err as ControlPlaneError).detail).toMatch(/^filter operator \$\w* /);
      outcomes.refused++;
    }
  }
  expect(Math.min(...Object.values(outcomes))).toBeGreaterThan(1000);
});

function refusalOf(step: () => unknown): string {
  try {
    step();
  } catch (err) {
    expect(err).toBeInstanceOf(ControlPlaneError);
    expect((err as ControlPlaneError).code).toBe('invalid');
    return (err as ControlPlaneError).detail;
  }
  return 'accepted';
}

describe('what narrows a search', () => {
  test('equalities on indexed fields, also inside $and, never inside $or', () => {
    expect(compileScanFilter({'event_metadata.run_id': 1, 'event_metadata.event_id': {$eq: 2}}).indexed).toEqual([
      {index: 'run_event', value: '1/2'},
    ]);
    expect(compileScanFilter({$and: [{i3_event_id: 'e'}, {is_deleted: true}]}).indexed).toEqual([
      {index: 'event', value: 'e'},
      {index: 'deleted', value: 'true'},
    ]);
    expect(compileScanFilter({is_deleted: false}).indexed).toEqual([]);
    expect(compileScanFilter({$or: [{i3_event_id: 'e'}]}).indexed).toEqual([]);
    expect(compileScanFilter({scan_id: 's1'}).id).toBe('s1');
    expect(compileScanFilter({ewms_workflow_id: 'w'}).indexed).toEqual([{index: 'workflow', value: 'w', orId: 'w'}]);
    expect(compileScanFilter({ewms_workflow_id: 'not-yet-requested'}).indexed).toEqual([]);
  });
});
