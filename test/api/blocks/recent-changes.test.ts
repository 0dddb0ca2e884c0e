import {expect, test} from 'vitest';
import {RecentChanges} from '../../../src/api/blocks/recent-changes.ts';
import type {ObjectChange} from '../../../src/api/blocks/recent-changes.ts';
import {parseKey} from '../../../src/schema/keys.ts';
import type {KeyRef} from '../../../src/schema/keys.ts';
import type {Change} from '../../../src/store/cache.ts';

/** A feed, and what its cache tells. */
function feed(revision = 10) {
  let tell: (changes: readonly Change[]) => void = () => {};
  const stop = new AbortController();
  const recent = new RecentChanges({revision, onChange: (listener) => (tell = listener)}, stop.signal);
  return {
    recent,
    relist: (at: number) => tell([{kind: 'relist', revision: at}]),
    change: (at: number, ...keys: readonly string[]) => tell(keys.map((key) => ({kind: 'key', key, ref: parseKey(key) as KeyRef, revision: at}))),
  };
}

test('tells what changed after a revision, by object, whichever of its keys it was', () => {
  const {recent, change} = feed();
  change(11, '/pb/a', '/pb/a/state', '/scan/s1');
  change(12, '/deploy/d/owner', '/backlog/x/pb/a', '/backlog/x/scan/s1');
  change(13, '/eb/e/state', '/script/a:b:c');
  expect(recent.since(10)?.map(({root, id, revision}) => [root, id, revision])).toEqual([
    ['pb', 'a', 11],
    ['pb', 'a', 11],
    ['deploy', 'd', 12],
    ['pb', 'a', 12],
    ['eb', 'e', 13],
    ['script', 'a:b:c', 13],
  ]);
  expect(recent.since(12)).toHaveLength(2);
  expect(recent.since(13)).toEqual([]);
});

test('does not know what was before it, nor what a relist has hidden', () => {
  const {recent, change, relist} = feed();
  expect(recent.since(9)).toBeUndefined();
  expect(recent.since(10)).toEqual([]);
  change(11, '/pb/a');
  let isLost = false;
  recent.listen({changed: () => {}, lost: () => (isLost = true)}, new AbortController().signal);
  relist(20);
  expect(isLost).toBe(true);
  expect(recent.since(11)).toBeUndefined();
  expect(recent.since(20)).toEqual([]);
});

test('remembers a bounded number, and never pretends to more', () => {
  const {recent, change} = feed();
  for (let revision = 11; revision < 50_011; revision++) change(revision, `/pb/p-${revision}`);
  expect(recent.since(11)).toBeUndefined();
  const changes = recent.since(50_000) as readonly ObjectChange[];
  expect(changes.map(({revision}) => revision)).toEqual([50_001, 50_002, 50_003, 50_004, 50_005, 50_006, 50_007, 50_008, 50_009, 50_010]);
});

test('tells nobody who has gone', () => {
  const {recent, change} = feed();
  const gone = new AbortController();
  const told: string[] = [];
  recent.listen({changed: ({id}) => told.push(id), lost: () => {}}, gone.signal);
  change(11, '/pb/a');
  gone.abort();
  change(12, '/pb/b');
  expect(told).toEqual(['a']);
});
