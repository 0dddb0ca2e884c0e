import {Query} from 'mingo';
import {describe, expect, test} from 'vitest';
import {compileFilter} from '../../src/model/filter/filter.ts';
import {RandomFilters} from '../support/random-filters.ts';
import type {Document, Filter} from '../support/random-filters.ts';
import {differenceIn} from './mingo-differences.ts';
import type {Difference} from './mingo-differences.ts';

const PAIRS = 100_000;

const own = (document: Document, name: string): unknown => (Object.hasOwn(document, name) ? document[name] : undefined);
const matches = (document: Document, filter: Filter): boolean => compileFilter(filter, own).matches(document);
const mingoMatches = (document: Document, filter: Filter): boolean => new Query(filter).test(document);

test('100,000 random filters match what mingo lets them match, its known differences aside', () => {
  const random = new RandomFilters(20_261_122);
  const wrong: unknown[] = [];
  const hits = {yes: 0, no: 0};
  const met = new Set<Difference>();
  while (hits.yes + hits.no < PAIRS && wrong.length < 10) {
    const document = random.document();
    const filter = random.filter(document);
    const ours = matches(document, filter);
    const difference = differenceIn(document, filter);
    if (difference !== undefined) {
      met.add(difference);
      continue;
    }
    if (mingoMatches(document, filter) !== ours) wrong.push({document, filter, ours});
    hits[ours ? 'yes' : 'no']++;
  }
  expect(wrong.map((each) => JSON.stringify(each))).toEqual([]);
  expect(hits.yes).toBeGreaterThan(PAIRS / 5);
  expect(hits.no).toBeGreaterThan(PAIRS / 5);
  expect(met.size).toBe(13);
});

test('a search over many documents finds those that mingo finds', () => {
  const random = new RandomFilters(7);
  const documents = Array.from({length: 2000}, (_, id) => ({...random.document(), id}));
  let found = 0;
  for (let n = 0; n < 200; n++) {
    const filter = random.filter(documents[n * 7] as Document);
    const compared = documents.filter((document) => differenceIn(document, filter) === undefined);
    const {matches: match} = compileFilter(filter, own);
    const ours = compared.filter((document) => match(document));
    expect([filter, ours]).toEqual([filter, new Query(filter).find(compared).all()]);
    found += ours.length;
  }
  expect(found).toBeGreaterThan(1000);
});

/** What MongoDB says, which is what we say, and what mingo does not. */
const DIFFERENCES: Readonly<Record<Difference, readonly (readonly [boolean, Document, Filter])[]>> = {
  'null and a field that elements of an array lack': [
    [true, {a: [{b: 1}, {}]}, {'a.b': null}],
    [true, {a: [{b: 1}, {}]}, {'a.b': {$in: [null]}}],
  ],
  'null and an order': [
    [true, {}, {a: {$gte: null}}],
    [true, {}, {a: {$lte: null}}],
  ],
  'a place in an array': [
    // An object in an array takes the place as a name too, and lacks it.
    [true, {a: [{b: 1}]}, {'a.0.b': null}],
    // What a place leads to is taken as it is.
    [false, {a: [[1, 2]]}, {'a.0': 1}],
    // A place that the array has not is not a field that is missing.
    [false, {a: [1]}, {'a.5': null}],
  ],
  'the order of arrays and objects': [
    // mingo sorts arrays first, and compares all names of objects before any value.
    [true, {a: [2, 1]}, {a: {$gt: [1, 9]}}],
    [false, {a: {a: 1, b: 1}}, {a: {$gt: {a: 2}}}],
  ],
  'an array to be equal to, in $in or $all or across an array': [
    [true, {a: [1, 2]}, {a: {$in: [[1, 2]]}}],
    [true, {a: [1, 2]}, {a: {$all: [[1, 2]]}}],
    [false, {a: [{b: 1}, {b: 2}]}, {'a.b': [1, 2]}],
  ],
  'arrays in arrays': [
    [false, {a: {b: [[1]]}}, {'a.b': 1}],
    [true, {a: [{b: [1]}, {b: [2]}]}, {'a.b': {$gt: 1}}],
    [false, {a: [['x']]}, {a: {$regex: 'x'}}],
  ],
  '$all of what is no array': [
    [true, {a: 1}, {a: {$all: [1]}}],
    [true, {}, {a: {$all: [null]}}],
  ],
  '$mod of what is no whole number': [
    [true, {a: 4.5}, {a: {$mod: [4, 0]}}],
    [false, {a: null}, {a: {$mod: [4, 0]}}],
    [false, {a: true}, {a: {$mod: [4, 1]}}],
  ],
  '$type of an array or across one': [
    [true, {a: [1, 'x']}, {a: {$type: 'string'}}],
    [false, {a: [{b: 1}]}, {'a.b': {$type: 'array'}}],
  ],
  '$type of a whole number beyond 32 bits': [[false, {a: 2 ** 31}, {a: {$type: 'int'}}]],
  '$size across an array': [
    [true, {a: [{b: [1]}, {b: 1}]}, {'a.b': {$size: 1}}],
    [false, {a: [{b: 1}, {b: 1}]}, {'a.b': {$size: 2}}],
  ],
  '$elemMatch of scalars and arrays': [
    [false, {a: [[5]]}, {a: {$elemMatch: {$gt: 1}}}],
    [true, {a: [[5]]}, {a: {$elemMatch: {'0': 5}}}],
    [false, {a: [5]}, {a: {$elemMatch: {b: 5}}}],
  ],
  '$elemMatch across an array': [[false, {a: [{b: 1}, {b: 5}]}, {'a.b': {$elemMatch: {$gt: 4}}}]],
};

describe('where mingo is not MongoDB, MongoDB counts', () => {
  test.each(Object.entries(DIFFERENCES))('%s', (difference, examples) => {
    for (const [expected, document, filter] of examples) {
      expect([document, filter, matches(document, filter)]).toEqual([document, filter, expected]);
      expect([document, filter, differenceIn(document, filter)]).toEqual([document, filter, difference]);
    }
    expect(examples.some(([expected, document, filter]) => mingoMatches(document, filter) !== expected)).toBe(true);
  });
});
