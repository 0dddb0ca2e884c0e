import {describe, expect, test} from 'vitest';
import type {ClientTransaction, TransactOptions} from '../../../src/client/index.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase();

const put = async (path: string, text: string): Promise<void> => {
  if ((await on.db.get(path)).text === undefined) await on.db.create(path, text);
  else await on.db.update(path, text);
};
const text = async (path: string): Promise<string | undefined> => (await on.db.get(path)).text;

interface Attempts {
  /** How often the body ran. */
  readonly attempts: number;
  readonly callbacks: number;
  readonly error: unknown;
}

/** Runs a body that is told the number of its attempt, from 0 on, and counts. */
async function run(body: (tx: ClientTransaction, attempt: number) => Promise<void>, options: TransactOptions = {}): Promise<Attempts> {
  let attempts = 0;
  let callbacks = 0;
  const error: unknown = await on.db
    .transact(async (tx) => {
      tx.onCommit(() => (callbacks += 1));
      await body(tx, attempts++);
    }, options)
    .then(
      () => undefined,
      (err: unknown) => err,
    );
  return {attempts, callbacks, error};
}

/** Reads, has something done by another in the first attempt, and writes a key beside. */
function interrupted(read: (tx: ClientTransaction) => Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<Attempts> {
  return run(async (tx, attempt) => {
    await read(tx);
    if (attempt === 0) await meanwhile();
    await tx.create(`${on.k}-written`, 'x');
  });
}

const once = {attempts: 1, callbacks: 1, error: undefined};
const twice = {attempts: 2, callbacks: 1, error: undefined};

describe('own writes', () => {
  test('case 26: what a transaction creates is there after it', async () => {
    await on.db.transact((tx) => tx.create(on.k, 'v'));
    expect(await text(on.k)).toBe('v');
  });

  test('case 27: two reads of a key in one transaction are the same', async () => {
    await put(on.k, 'v');
    const seen = await on.db.transact(async (tx) => {
      const first = await tx.get(on.k);
      await put(on.k, 'w');
      return [first, await tx.get(on.k)];
    });
    expect(seen).toEqual(['v', 'v']);
  });

  test('case 28: own updates are read at once, and by others after the commit', async () => {
    await put(on.k, 'v');
    await on.db.transact(async (tx) => {
      await tx.update(on.k, 'w');
      expect([await tx.get(on.k), await text(on.k)]).toEqual(['w', 'v']);
    });
    expect(await text(on.k)).toBe('w');
  });

  test('case 29: of several writes to a key the last one counts', async () => {
    await on.db.transact(async (tx) => {
      await tx.create(on.k, '1');
      await tx.update(on.k, '2');
      await tx.update(on.k, '3');
    });
    expect(await text(on.k)).toBe('3');
  });

  test('case 30: two keys are written both or not at all', async () => {
    const both = async (tx: ClientTransaction): Promise<void> => {
      await tx.create(`${on.k}/1`, 'a');
      await tx.create(`${on.k}/2`, 'b');
    };
    await put(`${on.k}/2`, 'there');
    await expect(on.db.transact(both)).rejects.toMatchObject({code: 'already_exists', key: `${on.k}/2`});
    expect(await text(`${on.k}/1`)).toBeUndefined();
    await on.db.delete(`${on.k}/2`);
    await on.db.transact(both);
    expect([await text(`${on.k}/1`), await text(`${on.k}/2`)]).toEqual(['a', 'b']);
  });

  test('case 31: what a transaction deletes is gone after it', async () => {
    await put(on.k, 'v');
    await on.db.transact((tx) => tx.delete(on.k));
    expect(await text(on.k)).toBeUndefined();
  });

  test('case 32: of a key that is there, each step says at once what stands in its way', async () => {
    await put(on.k, '1');
    await on.db.transact(async (tx) => {
      await expect(tx.create(on.k, '2')).rejects.toMatchObject({code: 'already_exists', key: on.k});
      await tx.delete(on.k);
      await expect(tx.update(on.k, '3')).rejects.toMatchObject({code: 'not_found', key: on.k});
      await expect(tx.delete(on.k)).rejects.toMatchObject({code: 'not_found', key: on.k});
      await tx.create(on.k, '4');
    });
    expect(await text(on.k)).toBe('4');
  });

  test('case 33: so it does of an absent key', async () => {
    await on.db.transact(async (tx) => {
      await expect(tx.update(on.k, '1')).rejects.toMatchObject({code: 'not_found', key: on.k});
      await expect(tx.delete(on.k)).rejects.toMatchObject({code: 'not_found', key: on.k});
      await tx.create(on.k, '4');
      await expect(tx.create(on.k, '5')).rejects.toMatchObject({code: 'already_exists', key: on.k});
      await tx.update(on.k, '6');
      await tx.delete(on.k);
    });
    expect(await text(on.k)).toBeUndefined();
  });

  test('case 44: an own creation is in one’s own list, and in those of others only after the commit', async () => {
    await on.db.transact(async (tx) => {
      await tx.create(`${on.k}/a`, 'x');
      expect(await tx.list(`${on.k}/`)).toEqual([`${on.k}/a`]);
      expect((await on.db.list(`${on.k}/`)).keys).toEqual([]);
    });
    expect((await on.db.list(`${on.k}/`)).keys).toEqual([`${on.k}/a`]);
  });

  test('case 45: an own deletion is not in one’s own list (mended)', async () => {
    await put(`${on.k}/a`, 'x');
    await put(`${on.k}/b`, 'x');
    await on.db.transact(async (tx) => {
      expect(await tx.list(`${on.k}/`)).toEqual([`${on.k}/a`, `${on.k}/b`]);
      await tx.delete(`${on.k}/a`);
      expect(await tx.list(`${on.k}/`)).toEqual([`${on.k}/b`]);
    });
  });

  test('case 46: deleting a key unseen that does not exist does not bring it into one’s own list (mended)', async () => {
    await on.db.transact(async (tx) => {
      await tx.delete(`${on.k}/never`, {mustExist: false});
      expect(await tx.list(`${on.k}/`)).toEqual([]);
    });
  });
});

describe('snapshots and conflicts', () => {
  test('case 34: all reads of a transaction are of the revision of the first', async () => {
    await put(`${on.k}/1`, '1');
    await put(`${on.k}/2`, '1');
    let second: unknown;
    const ran = await run(async (tx) => {
      await tx.get(`${on.k}/1`);
      await put(`${on.k}/2`, '2');
      second = await tx.get(`${on.k}/2`);
    });
    expect({second, ...ran}).toEqual({second: '1', attempts: 1, callbacks: 0, error: undefined});
  });

  test('case 35: a transaction that only reads calls no callback', async () => {
    expect(await run(async (tx) => void (await tx.get(on.k)))).toEqual({attempts: 1, callbacks: 0, error: undefined});
  });

  test('case 36: a body runs again until nobody interferes, and its callback once', async () => {
    const [k2, k3] = [`${on.k}/2`, `${on.k}/3`];
    await put(k2, 'none');
    const ran = await run(async (tx, attempt) => {
      const value = await tx.get(k2);
      if (attempt < 10) await put(k2, String(attempt));
      await tx.create(k3, String(Number(value) + 1));
    });
    expect(ran).toEqual({attempts: 11, callbacks: 1, error: undefined});
    expect([await text(k2), await text(k3)]).toEqual(['9', '10']);
  });

  test('case 37: an absent key that was read and comes meanwhile is a conflict', async () => {
    expect(
      await interrupted(
        (tx) => tx.get(on.k),
        () => put(on.k, 'x'),
      ),
    ).toEqual(twice);
  });

  test('case 38: two who create the same key: the second run of one says that it exists', async () => {
    const ran = await run(async (tx, attempt) => {
      await tx.create(on.k, 'mine');
      if (attempt === 0) await put(on.k, 'theirs');
    });
    expect(ran).toMatchObject({attempts: 2, callbacks: 0, error: {code: 'already_exists', key: on.k}});
    expect(await text(on.k)).toBe('theirs');
  });

  test('case 39: an absent key that comes and goes meanwhile is no conflict', async () => {
    const comesAndGoes = async (): Promise<void> => {
      await put(on.k, 'x');
      await on.db.delete(on.k);
    };
    expect(await interrupted((tx) => tx.get(on.k), comesAndGoes)).toEqual(once);
  });

  test('case 40: a listed key that is deleted meanwhile is a conflict', async () => {
    await put(`${on.k}/a`, 'x');
    expect(
      await interrupted(
        (tx) => tx.list(`${on.k}/`),
        () => on.db.delete(`${on.k}/a`),
      ),
    ).toEqual(twice);
  });

  test('case 41: a key that comes meanwhile into what was listed is a conflict', async () => {
    expect(
      await interrupted(
        (tx) => tx.list(`${on.k}/`),
        () => put(`${on.k}/a`, 'x'),
      ),
    ).toEqual(twice);
  });

  test('case 42: another value of a listed key is none', async () => {
    await put(`${on.k}/a`, 'x');
    expect(
      await interrupted(
        (tx) => tx.list(`${on.k}/`),
        () => put(`${on.k}/a`, 'y'),
      ),
    ).toEqual(once);
  });

  test('case 43: a listed key that is deleted and created again meanwhile is one', async () => {
    await put(`${on.k}/a`, 'x');
    const again = async (): Promise<void> => {
      await on.db.delete(`${on.k}/a`);
      await put(`${on.k}/a`, 'x');
    };
    expect(await interrupted((tx) => tx.list(`${on.k}/`), again)).toEqual(twice);
  });

  test('case 53: four clients that count up a counter together lose none', async () => {
    await put(on.k, '0');
    const clients = Array.from({length: 4}, () => on.connect());
    const count = async (tx: ClientTransaction): Promise<void> => tx.update(on.k, String(Number(await tx.get(on.k)) + 1));
    await Promise.all(
      clients.map(async (db) => {
        for (let i = 0; i < 25; i++) await db.transact(count);
      }),
    );
    expect(await text(on.k)).toBe('100');
  });

  test('case 56: the same text written again is a change, and a conflict for who has read it', async () => {
    await put(on.k, 'same');
    const before = await on.db.get(on.k);
    expect(
      await interrupted(
        (tx) => tx.get(on.k),
        () => on.db.update(on.k, 'same'),
      ),
    ).toEqual(twice);
    expect((await on.db.get(on.k)).modRevision).toBeGreaterThan(before.modRevision as number);
  });

  test('case 57: a key that is deleted unseen goes, also where another creates it meanwhile', async () => {
    const ran = await run(async (tx, attempt) => {
      await tx.delete(on.k, {mustExist: false});
      if (attempt === 0) await put(on.k, 'x');
    });
    expect(ran).toEqual(once);
    expect(await text(on.k)).toBeUndefined();
  });
});

describe('retries and loops', () => {
  /** A body that always meets a conflict, once it has reached an attempt; before, it writes what nobody else does. */
  function conflicting(from: number, also: (tx: ClientTransaction, attempt: number) => void = () => {}) {
    return async (tx: ClientTransaction, attempt: number): Promise<void> => {
      await tx.get(on.k);
      if (attempt >= from) await put(on.k, String(attempt));
      await tx.update(on.k, 'ours');
      also(tx, attempt);
    };
  }

  test('case 47: conflicts without end are given up after as many retries as are allowed', async () => {
    await put(on.k, 'none');
    const ran = await run(conflicting(0), {maxRetries: 9});
    expect(ran).toMatchObject({attempts: 10, callbacks: 0, error: {code: 'revision_conflict', detail: expect.stringContaining('9 retries')}});
    expect(await text(on.k)).toBe('9');
  });

  test('case 48: a success in between lets the count begin anew', async () => {
    await put(on.k, 'none');
    let last = 0;
    const ran = await run(
      async (tx, attempt) => {
        last = attempt;
        await tx.get(on.k);
        if (attempt !== 5) await put(on.k, String(attempt));
        await tx.update(on.k, 'ours');
        tx.loop();
      },
      {maxRetries: 5},
    );
    expect(ran).toMatchObject({callbacks: 1, error: {code: 'revision_conflict', detail: expect.stringContaining('5 retries')}});
    expect(last).toBe(11);
  });

  test('case 49: so it is in a watcher’s transaction', async () => {
    await put(on.k, 'none');
    let attempts = 0;
    const looking = async (): Promise<void> => {
      for await (const round of on.db.watcher()) await round.transact((tx) => conflicting(0)(tx, attempts++), {maxRetries: 9});
    };
    await expect(looking()).rejects.toMatchObject({code: 'revision_conflict', detail: expect.stringContaining('9 retries')});
    expect([attempts, await text(on.k)]).toEqual([10, '9']);
  });

  test('case 50: a body that throws writes nothing, and what it throws reaches the caller', async () => {
    const failing = on.db.transact(async (tx) => {
      await tx.create(on.k, 'x');
      throw new RangeError('of the body');
    });
    await expect(failing).rejects.toThrow(RangeError);
    expect(await text(on.k)).toBeUndefined();
  });

  test('case 51: a body that discards its transaction writes nothing', async () => {
    const result = await on.db.transact(async (tx) => {
      await tx.create(on.k, 'x');
      tx.discard();
      return 'left';
    });
    expect([result, await text(on.k)]).toEqual(['left', undefined]);
  });

  test('case 52: a transaction that is over is not used again', async () => {
    const used = await on.db.transact(async (tx) => {
      await tx.create(on.k, 'x');
      return {tx};
    });
    for (const use of [() => used.tx.get(on.k), () => used.tx.update(on.k, 'y'), () => used.tx.list(`${on.k}/`), () => used.tx.delete(on.k)]) {
      await expect(use()).rejects.toMatchObject({code: 'wrong_state'});
    }
    expect(await text(on.k)).toBe('x');
  });

  test('case 75: a loop that waits runs again for each change', async () => {
    await put(on.k, '4');
    const seen: (string | undefined)[] = [];
    const changes = ['1', '2', '3', '4'];
    await on.db.transact(async (tx) => {
      seen.push(await tx.get(on.k));
      const next = changes.shift();
      if (next === undefined) return;
      await put(on.k, next);
      tx.loop({wait: true});
    });
    expect(seen).toEqual(['4', '1', '2', '3', '4']);
  });

  test('case 76: a loop that does not wait runs as often as it asks to, whatever changes', async () => {
    await put(on.k, '0');
    const seen: (string | undefined)[] = [];
    await on.db.transact(async (tx) => {
      seen.push(await tx.get(on.k));
      if (seen.length === 1) for (const value of ['1', '2', '3', '4']) await put(on.k, value);
      if (seen.length < 5) tx.loop();
    });
    expect(seen).toEqual(['0', '4', '4', '4', '4']);
  });
});

describe('limits and leases', () => {
  const create = (n: number) => (tx: ClientTransaction) => Promise.all(Array.from({length: n}, (_, i) => tx.create(`${on.k}/${i}`, 'x')));

  test('case 54: 128 creations are one transaction, 129 are refused with an error that says so (mended)', async () => {
    await on.db.transact(create(128));
    expect((await on.db.list(`${on.k}/`)).keys).toHaveLength(128);
    await on.db.delete(on.k, {recursive: true, mustExist: false});
    await expect(on.db.transact(create(129))).rejects.toMatchObject({code: 'too_many_operations'});
    expect((await on.db.list(`${on.k}/`)).keys).toEqual([]);
  });

  test('case 55: a list of 127 keys and a creation among them are one transaction (mended)', async () => {
    await on.db.transact(create(127));
    await on.db.transact(async (tx) => {
      expect(await tx.list(`${on.k}/`)).toHaveLength(127);
      await tx.create(`${on.k}/new`, 'x');
    });
    expect((await on.db.list(`${on.k}/`)).keys).toHaveLength(128);
    const one = (tx: ClientTransaction): Promise<void> => tx.create(`${on.k}/another`, 'x');
    const more = on.db.transact(async (tx) => {
      await tx.list(`${on.k}/`);
      await one(tx);
    });
    await expect(more).rejects.toMatchObject({code: 'too_many_operations'});
    // Where deletions in the list do not matter, it may be of any length.
    await on.db.transact(async (tx) => {
      await tx.list(`${on.k}/`, {noticeDeletes: false});
      await one(tx);
    });
  });

  test('case 58: a leased key that is updated without naming the lease keeps it (mended)', async () => {
    const lease = await on.connect().lease({ttlSeconds: 60});
    await on.db.create(`${on.k}/1`, 'x', {lease});
    await on.db.update(`${on.k}/1`, 'y');
    await on.db.transact(async (tx) => {
      await tx.update(`${on.k}/1`, 'z');
      await tx.create(`${on.k}/2`, 'x', {lease});
      await tx.update(`${on.k}/2`, 'y');
    });
    expect(await on.db.get(`${on.k}/1`)).toMatchObject({text: 'z', lease: lease.id});
    expect(await on.db.get(`${on.k}/2`)).toMatchObject({text: 'y', lease: lease.id});
    await lease.revoke();
    expect((await on.db.list(`${on.k}/`)).keys).toEqual([]);
  });
});
