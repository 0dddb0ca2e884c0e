import {expect, test} from 'vitest';
import {SCRIPT} from '../../../src/api/blocks/kinds.ts';
import {RecentChanges} from '../../../src/api/blocks/recent-changes.ts';
import {MAX_WAITING, Watch} from '../../../src/api/blocks/watch.ts';
import type {RouteDeps} from '../../../src/api/deps.ts';
import type {ScriptRecord} from '../../../src/model/block-record.ts';
import type {Change} from '../../../src/store/cache.ts';
import {entry} from '../../support/builders.ts';

/** Scripts that change, and a reader of them who takes a piece when told to. */
function world() {
  const scripts = new Map<string, ScriptRecord>();
  let tell: (changes: readonly Change[]) => void = () => {};
  const table = {get: (id: string) => scripts.get(id), size: 0, [Symbol.iterator]: () => scripts.values()};
  const cache = {revision: 10, scripts: table, onChange: (listener: typeof tell) => (tell = listener)};
  const stop = new AbortController();
  const recentChanges = new RecentChanges(cache, stop.signal);
  const deps = {cache, recentChanges} as unknown as RouteDeps;
  const wanted = {matches: () => true, isFiltered: false, limit: undefined, after: undefined};
  const pieces = new Watch(deps, SCRIPT, {wanted, id: undefined, from: undefined}, stop.signal).pieces();
  return {
    stop,
    put: (id: string) => {
      cache.revision += 1;
      scripts.set(id, {id, spec: entry({image: String(cache.revision)})});
      tell([{kind: 'key', key: `/script/${id}`, ref: {kind: 'script', id}, revision: cache.revision}]);
    },
    relist: () => tell([{kind: 'relist', revision: ++cache.revision}]),
    /** The events of the next pieces, up to one with this in it. */
    readTo: async (text: string): Promise<string[]> => {
      const events: string[] = [];
      for (;;) {
        const {value, done} = await pieces.next();
        if (done === true) return events;
        events.push(...value.split('\n\n').filter((each) => each !== '' && each !== ':'));
        if (events.some((each) => each.includes(text))) return events;
      }
    },
  };
}

test('a reader that does not read has a bounded number of ids waiting; beyond that it is told to begin anew', async () => {
  const {put, readTo} = world();
  await readTo('synced');
  for (let n = 0; n < MAX_WAITING; n++) put(`a:b:${n}`);
  expect(await readTo(`a:b:${MAX_WAITING - 1}"`)).toHaveLength(MAX_WAITING);
  for (let n = 0; n <= MAX_WAITING; n++) put(`a:b:${n}`);
  expect(await readTo('reset')).toEqual(['event: reset\ndata: {}']);
  const anew = await readTo('synced');
  expect(anew).toHaveLength(MAX_WAITING + 2);
  expect(anew.at(-1)).toMatch(/^event: synced\nid: \d+\n/);
});

test('what changes while everything is told comes after it', async () => {
  const {put, readTo} = world();
  for (let n = 0; n < 2000; n++) put(`a:b:${n}`);
  const begun = await readTo('a:b:0"');
  put('a:b:0');
  put('z:z:z');
  const told = [...begun, ...(await readTo('synced'))];
  expect(told.at(-1)).toContain('id: 2010');
  expect((await readTo('z:z:z')).map((each) => /id: (\d+)/.exec(each)?.[1])).toEqual(['2011', '2012']);
});

test('when events were lost, readers are told to begin anew', async () => {
  const {put, relist, readTo} = world();
  put('a:b:1');
  await readTo('synced');
  put('a:b:2');
  relist();
  expect(await readTo('reset')).toEqual(['event: reset\ndata: {}']);
  expect(await readTo('synced')).toHaveLength(3);
});

test('a reader that waits is let go when it ends', async () => {
  const {stop, readTo} = world();
  await readTo('synced');
  const waiting = readTo('never');
  stop.abort();
  // At most a sign of life, and then nothing.
  expect(await waiting).toEqual([]);
});
