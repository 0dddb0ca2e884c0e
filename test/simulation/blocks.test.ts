import {expect, test} from 'vitest';
import {parseKey} from '../../src/schema/keys.ts';
import type {Database} from '../../src/store/open.ts';
import type {Commit} from '../../src/store/store.ts';
import {blocksUnder} from '../support/simulation/block-course.ts';

test('processing blocks end as their dependencies demand while a replica is killed every second, and no script runs twice at once', async () => {
  // Chance has a say in each course, so what has to occur is counted over all of them.
  const all = {kills: 0, killedScripts: 0};
  for (let seed = 1; seed <= 3; seed += 1) {
    const {ends, kills, killedScripts} = await blocksUnder({seed, blocks: 60});
    expect(Object.keys(ends)).toEqual(expect.arrayContaining(['FINISHED', 'FAILED']));
    all.kills += kills;
    all.killedScripts += killedScripts;
  }
  expect(all.kills).toBeGreaterThan(15);
  expect(all.killedScripts).toBeGreaterThan(0);
});

// A simulation that finds nothing proves something only if it finds what is there.

/** Whether any seed complains. */
async function isFoundOut(spoil: (database: Database) => void): Promise<boolean> {
  for (let seed = 1; seed <= 20; seed += 1) {
    const isWell = await blocksUnder({seed, blocks: 40, spoil}).then(
      () => true,
      () => false,
    );
    if (!isWell) return true;
  }
  return false;
}

/** Lets `change` have what is to be committed. */
function changing(database: Database, change: (commit: Commit) => Commit): void {
  const commit = database.store.commit.bind(database.store);
  database.store.commit = (wanted) => commit(change(wanted));
}

test('a controller that releases blocks whatever their dependencies came to is found out', async () => {
  const careless = (database: Database): void => {
    changing(database, ({compares, ops}) => ({
      compares,
      ops: ops.map((op) => {
        if (!('put' in op) || parseKey(op.put)?.kind !== 'pb-state' || !String(op.value).includes('dependency pb-')) return op;
        const {reason: _, ...state} = JSON.parse(String(op.value)) as Record<string, unknown>;
        return {...op, value: JSON.stringify({...state, status: 'WAITING', resources_available: true})};
      }),
    }));
  };
  expect(await isFoundOut(careless)).toBe(true);
});

test('a controller that keeps the slots of blocks that are over is found out', async () => {
  const greedy = (database: Database): void => {
    changing(database, ({compares, ops}) => ({
      compares,
      ops: ops.filter((op) => !('delete' in op) || parseKey(op.delete)?.kind !== 'pb-admission'),
    }));
  };
  expect(await isFoundOut(greedy)).toBe(true);
});
