import {describe, expect, test} from 'vitest';
import type {ClientTransaction, ConfigDatabase} from '../../../src/client/index.ts';
import {eventually} from '../../support/eventually.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase();
const PB = 'pb-test-20260101-00000';
const SCRIPT = {kind: 'batch', name: 'test', version: '1'};

/** A block of this test's own. */
async function aBlock(): Promise<string> {
  const id = `pb-${on.k.slice(1)}`;
  await on.db.transact((tx) => tx.processingBlocks.create({pb_id: id, script: SCRIPT}));
  return id;
}
const take = async (db: ConfigDatabase, id: string): Promise<void> => {
  const lease = await db.clientLease();
  await db.transact((tx) => tx.processingBlocks.take(id, lease));
};
const isOwner = (db: ConfigDatabase, id: string): Promise<boolean> => db.transact((tx) => tx.processingBlocks.isOwner(id));
const owner = (id: string): Promise<unknown> => on.db.transact((tx) => tx.processingBlocks.getOwner(id));

describe('leases', () => {
  test('case 59: a key that is attached to a lease is there while the lease is held, and gone with it', async () => {
    {
      await using lease = await on.connect().lease({ttlSeconds: 5});
      await on.db.create(on.k, 'x', {lease});
      await expect(on.db.create(on.k, 'x', {lease})).rejects.toMatchObject({code: 'already_exists'});
      expect([lease.isHeld, lease.isLost]).toEqual([true, false]);
    }
    expect((await on.db.get(on.k)).text).toBeUndefined();
    await expect(on.db.delete(on.k)).rejects.toMatchObject({code: 'not_found'});
  });

  test('case 60: so it is in a transaction', async () => {
    const lease = await on.connect().lease({ttlSeconds: 5});
    await on.db.transact((tx) => tx.create(on.k, 'x', {lease}));
    expect(await on.db.transact((tx) => tx.get(on.k))).toBe('x');
    await lease.revoke();
    expect([lease.isHeld, lease.isLost]).toEqual([false, false]);
    expect(await on.db.transact((tx) => tx.get(on.k))).toBeUndefined();
  });

  test('case 61: a lease that nobody renews ends, and what is attached to it goes', async () => {
    // Granted by hand, so that nothing renews it.
    const granted = /lease ([0-9a-f]+) granted/.exec(await on.etcd.etcdctl(['lease', 'grant', '2']));
    const id = BigInt(`0x${granted?.[1]}`).toString();
    await on.db.create(on.k, 'x', {lease: id});
    await eventually(async () => (await on.db.get(on.k)).text === undefined, {timeoutMs: 15_000});
  });

  test('case 62: a key is not created under a lease that does not exist', async () => {
    await expect(on.db.create(on.k, 'x', {lease: '4711'})).rejects.toMatchObject({code: 'not_found'});
    await expect(on.db.transact((tx) => tx.create(on.k, 'x', {lease: '4711'}))).rejects.toMatchObject({code: 'not_found'});
    expect((await on.db.get(on.k)).text).toBeUndefined();
  });

  test('who holds a lease learns that it is lost, and the client’s next one is another', async () => {
    const db = on.connect({ttlSeconds: 2});
    const lease = await db.clientLease();
    expect(await db.clientLease()).toBe(lease);
    const lost = Promise.withResolvers<void>();
    lease.onLost(lost.resolve);
    await on.etcd.etcdctl(['lease', 'revoke', BigInt(lease.id).toString(16)]);
    await lost.promise;
    expect([lease.isHeld, lease.isLost]).toEqual([false, true]);
    expect((await db.clientLease()).id).not.toBe(lease.id);
  });

  test('a time to live that etcd does not take is refused', async () => {
    await expect(on.db.lease({ttlSeconds: 0})).rejects.toMatchObject({code: 'invalid'});
  });
});

describe('ownership', () => {
  test('case 63: who takes a block owns it until the lease ends', async () => {
    const id = await aBlock();
    const db = on.connect();
    const lease = await db.lease({ttlSeconds: 5});
    const within = await db.transact(async (tx) => {
      await tx.processingBlocks.take(id, lease);
      return tx.processingBlocks.isOwner(id);
    });
    expect([within, await isOwner(db, id)]).toEqual([true, true]);
    expect(await owner(id)).toMatchObject({pid: process.pid, hostname: expect.any(String), command: expect.any(Array)});
    await lease.revoke();
    expect([await owner(id), await isOwner(db, id)]).toEqual([undefined, false]);
  });

  test('case 64: nobody takes a block twice', async () => {
    const id = await aBlock();
    await take(on.db, id);
    await expect(take(on.db, id)).rejects.toMatchObject({code: 'already_exists', key: `/pb/${id}/owner`});
    await on.db.transact((tx) => tx.processingBlocks.release(id));
    expect(await owner(id)).toBeUndefined();
  });

  test('case 65: a block that does not exist is not taken (mended)', async () => {
    await expect(take(on.db, PB)).rejects.toMatchObject({code: 'not_found', key: `/pb/${PB}`});
    expect([await owner(PB), await isOwner(on.db, PB)]).toEqual([undefined, false]);
    expect(await on.db.transact((tx) => tx.processingBlocks.list())).not.toContain(PB);
  });

  test('case 66: nobody takes a block without a lease', async () => {
    const id = await aBlock();
    const without = on.db.transact((tx) => tx.processingBlocks.take(id, undefined as never));
    await expect(without).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('lease')});
    expect(await owner(id)).toBeUndefined();
  });

  test('case 67: of two who race for a block one owns it, and the other is told when it runs again', async () => {
    const id = await aBlock();
    const racers = await Promise.all([on.connect(), on.connect()].map(async (db) => ({db, lease: await db.clientLease()})));
    const bothRead = Promise.withResolvers<void>();
    let reading = 0;
    const runs = racers.map(async ({db, lease}) => {
      let attempts = 0;
      const taking = db.transact(async (tx) => {
        attempts += 1;
        await tx.processingBlocks.getOwner(id);
        if ((reading += 1) === 2) bothRead.resolve();
        await bothRead.promise;
        await tx.processingBlocks.take(id, lease);
      });
      const error: unknown = await taking.then(
        () => undefined,
        (err: unknown) => err,
      );
      return {attempts, code: (error as {code?: string} | undefined)?.code, owns: await isOwner(db, id)};
    });
    const [winner, loser] = (await Promise.all(runs)).sort((a, b) => a.attempts - b.attempts);
    expect(winner).toEqual({attempts: 1, code: undefined, owns: true});
    expect(loser).toEqual({attempts: 2, code: 'already_exists', owns: false});
  });

  test('case 68: another is not the owner', async () => {
    const id = await aBlock();
    await take(on.connect(), id);
    expect(await isOwner(on.connect(), id)).toBe(false);
  });

  test('case 69: neither is one whose host, process and command are the same (mended)', async () => {
    const id = await aBlock();
    const [a, c] = [on.connect({command: ['script']}), on.connect({command: ['script']})];
    await take(a, id);
    const stored = (await on.db.get(`/pb/${id}/owner`)).text as string;
    expect([await isOwner(a, id), await isOwner(c, id)]).toEqual([true, false]);
    // Not even the same value proves it, once the key is another.
    await on.db.delete(`/pb/${id}/owner`);
    await on.db.create(`/pb/${id}/owner`, stored);
    expect([await isOwner(a, id), await isOwner(c, id)]).toEqual([false, false]);
  });

  test('case 70: a client that is closed owns nothing any more', async () => {
    const id = await aBlock();
    const db = on.connect();
    await take(db, id);
    await db.close();
    expect(await owner(id)).toBeUndefined();
    await expect(take(db, id)).rejects.toMatchObject({code: 'wrong_state'});
  });

  test('case 71: an owner that was removed between its check and its write writes nothing', async () => {
    const id = await aBlock();
    const db = on.connect();
    await take(db, id);
    const seen: boolean[] = [];
    const write = async (tx: ClientTransaction): Promise<void> => {
      seen.push(await tx.processingBlocks.isOwner(id));
      if (seen.length === 1) await on.db.delete(`/pb/${id}/owner`);
      if (seen.at(-1) === true) await tx.processingBlocks.state(id).create({status: 'RUNNING'});
    };
    await db.transact(write);
    expect(seen).toEqual([true, false]);
    expect(await on.db.transact((tx) => tx.processingBlocks.state(id).get())).toBeUndefined();
  });
});
