import {describe, expect, test} from 'vitest';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import {compileScanFilter} from '../../src/model/scan-filter.ts';
import type {Scan} from '../../src/model/manifest.ts';
import {aScan, aSpec, entry} from '../support/builders.ts';

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
    ['$where', {$where: 'while(1);'}],
    ['$regex', {scan_id: {$regex: '^s'}}],
    ['$nor', {$nor: [{scan_id: 's1'}]}],
    ['$not', {priority: {$not: {$gt: 1}}}],
    ['$in', {priority: {$in: 5}}],
    ['$or', {$or: []}],
    ['$and', {$and: [1]}],
    ['$elemMatch', {$or: [{scan_id: 's1'}, {x: {$elemMatch: {}}}]}],
  ])('names the operator it cannot use: %s', (operator, filter) => {
    const thrown = (() => {
      try {
        compileScanFilter(filter);
        return undefined;
      } catch (err) {
        return err;
      }
    })();
    expect(thrown).toBeInstanceOf(ControlPlaneError);
    expect((thrown as ControlPlaneError).code).toBe('invalid');
    expect((thrown as ControlPlaneError).detail).toContain(operator);
  });
});

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
