import {expect, test} from 'vitest';
import {JobTable, openTry} from '../../src/model/job-table.ts';
import type {Entry} from '../../src/model/scan-record.ts';
import type {Job} from '../../src/schema/job.ts';
import {aJob, aTry, entry} from '../support/builders.ts';
import {seededRandom} from '../support/seeded-random.ts';

const EXIT = {code: 0, ended_at: ''};

test('a table is what a map would be, whatever is put, replaced and taken out, and knows which of its jobs are open', () => {
  const random = seededRandom(7);
  const map = new Map<string, Entry<Job>>();
  let table = JobTable.EMPTY;
  for (let round = 0; round < 400; round++) {
    const before = table;
    const known = new Map(map);
    const changes = new Map<string, Entry<Job> | undefined>();
    for (let n = Math.floor(random() * 12); n >= 0; n--) {
      const id = `job${Math.floor(random() * 300)}`;
      changes.set(id, random() < 0.2 ? undefined : entry(aJob({tries: [aTry(random() < 0.5 ? {} : {exit: EXIT})]}), round));
    }
    table = table.with(changes);
    for (const [id, change] of changes) {
      if (change === undefined) map.delete(id);
      else map.set(id, change);
    }
    expect(table.size).toBe(map.size);
    expect(new Map(table)).toEqual(map);
    expect([...table.open.keys()].sort()).toEqual(
      [...map]
        .filter(([, {value}]) => openTry(value) !== undefined)
        .map(([id]) => id)
        .sort(),
    );
    const visited: string[] = [];
    table.forEachOpen((each, id) => void visited.push(table.get(id) === each ? id : `not that of ${id}`));
    expect(visited).toEqual([...table.open.keys()]);
    // What differs, applied to what was before, gives what is now; and nothing is named twice or for nothing.
    const named = [...table.changesSince(before)];
    expect(new Set(named.map(([id]) => id)).size).toBe(named.length);
    for (const [id, change] of named) {
      expect(known.get(id)).not.toBe(change);
      if (change === undefined) known.delete(id);
      else known.set(id, change);
    }
    expect(known).toEqual(map);
    expect(before.size, 'the one before is as it was').toBe(new Map(before).size);
  }
});

test('a change shares with the table before whatever it does not touch', () => {
  const many = JobTable.of(Array.from({length: 10_000}, (_, n): [string, Entry<Job>] => [`j${n}`, entry(aJob({tries: [aTry({exit: EXIT})]}))]));
  const changed = many.with(new Map([['j5000', entry(aJob())]]));
  expect([...changed.changesSince(many)].map(([id]) => id)).toEqual(['j5000']);
  expect([...many.changesSince(changed)].map(([id]) => id)).toEqual(['j5000']);
  expect([...changed.open.keys()]).toEqual(['j5000']);
  expect(many.open.size).toBe(0);
});
