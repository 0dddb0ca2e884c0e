import {expect, test} from 'vitest';
import type {Scan} from '../../src/model/manifest.ts';
import {planRescan, rootIdOf} from '../../src/model/rescan.ts';
import type {RescanInput} from '../../src/model/rescan.ts';
import {DEFAULT_CONTROL, parseControl} from '../../src/schema/control.ts';
import {backlogKey, controlKey, scanKey} from '../../src/schema/keys.ts';
import {parseScanSpec} from '../../src/schema/scan.ts';
import {aSpec, entry} from '../support/builders.ts';

const NOW_MS = 1_700_000_500_250;

const root: Scan = {id: 'root', spec: entry({...aSpec({classifiers: {foo: 1}, priority: 7}), user: 'ann'}, 5)};

function plan(more: Partial<RescanInput> = {}): ReturnType<typeof planRescan> {
  return planRescan({origin: root, root, options: {abortFirst: false, replaceScan: false}, newId: 'new', nowMs: NOW_MS, ...more});
}

const written = (result: ReturnType<typeof planRescan>): Map<string, string> => new Map(result.ops.map(({put, value}) => [put, value]));

test('the new scan runs the root’s request, says where it comes from, and waits at the root’s priority', () => {
  const result = plan({user: 'bob'});
  expect(parseScanSpec(written(result).get(scanKey('new')) ?? '', '')).toEqual({
    type: 'skymap-scan',
    created_at: NOW_MS / 1000,
    user: 'bob',
    lineage: {origin_scan_id: 'root', root_scan_id: 'root'},
    request: {...root.spec.value.request, classifiers: {foo: 1, rescan: true, origin_scan_id: 'root'}},
  });
  expect([...written(result).keys()]).toEqual([scanKey('new'), backlogKey('7ffffff8-18bcfed0a1a', 'new')]);
});

test('a scan that stays as it is is neither written nor fenced, but must be there', () => {
  expect(plan({origin: {...root, control: entry(DEFAULT_CONTROL, 9)}}).compares).toEqual([
    {key: scanKey('new'), createRevision: 0},
    {key: scanKey('root'), exists: true},
  ]);
});

test('who did not ask for the rescan is not said to have', () => {
  expect(plan().spec.user).toBeUndefined();
});

test('a rescan of a rescan keeps the root and names the one in between', () => {
  const origin: Scan = {id: 'mid', spec: entry({...plan().spec})};
  expect(rootIdOf(origin)).toBe('root');
  const result = plan({origin});
  expect(result.spec.lineage).toEqual({origin_scan_id: 'mid', root_scan_id: 'root'});
  expect(result.spec.request.classifiers).toEqual({foo: 1, rescan: true, origin_scan_id: 'mid'});
  expect(result.compares).toContainEqual({key: scanKey('mid'), exists: true});
  expect(result.compares).toContainEqual({key: scanKey('root'), exists: true});
});

test('what a scan is asked to run with beside its request holds for its rescans', () => {
  const old: Scan = {id: 'old', spec: entry({...root.spec.value, generation: 'v0'} as Scan['spec']['value'])};
  expect(plan({origin: old, root: old}).spec).toMatchObject({generation: 'v0'});
});

test('aborting marks the scan as deleted and stops it; replacing points it to the new one; both are one write', () => {
  const control = entry({...DEFAULT_CONTROL, priority: 3, generation: 4, updated_at: 100}, 9);
  const after = (abortFirst: boolean, replaceScan: boolean): unknown => {
    const result = plan({origin: {...root, control}, options: {abortFirst, replaceScan}});
    expect(result.compares).toContainEqual({key: controlKey('root'), modRevision: 9});
    return parseControl(written(result).get(controlKey('root')) ?? '', '');
  };
  const stopped = {desired: 'stop', is_deleted: true, updated_at: NOW_MS / 1000};
  expect(after(true, false)).toEqual({...control.value, ...stopped, generation: 5});
  expect(after(false, true)).toEqual({...control.value, replaced_by_scan_id: 'new', generation: 5});
  expect(after(true, true)).toEqual({...control.value, ...stopped, replaced_by_scan_id: 'new', generation: 6});
});

test('a control key that is not there, or does not parse, is written anew', () => {
  const options = {abortFirst: false, replaceScan: true};
  expect(plan({options}).compares).toContainEqual({key: controlKey('root'), modRevision: 0});
  const bad = new Map([['control', {key: controlKey('root'), reason: '', createRevision: 8, modRevision: 8, lease: '0'}]]);
  expect(plan({origin: {...root, bad}, options}).compares).toContainEqual({key: controlKey('root'), modRevision: 8});
});
