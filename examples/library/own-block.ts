import {blockTime} from '../../src/client/index.ts';
import type {ClientTransaction, ConfigDatabase, PbState} from '../../src/client/index.ts';

/** Works on a processing block as its one owner: whoever is no owner any more writes nothing. `false`: it was lost on the way. */
export async function workOn(db: ConfigDatabase, pbId: string, work: () => Promise<void>): Promise<boolean> {
  const lease = await db.clientLease();
  await db.transact((tx) => tx.processingBlocks.take(pbId, lease));
  lease.onLost(() => console.error('this process cannot prove any more that it lives'));
  if (!(await db.transact((tx) => writeStatus(tx, pbId, 'RUNNING')))) return false;
  await work();
  return db.transact(async (tx) => {
    const isOurs = await writeStatus(tx, pbId, 'FINISHED');
    await tx.processingBlocks.release(pbId);
    return isOurs;
  });
}

/** The question and the write are one transaction: it is refused, and asked again, when the owner key changes in between. */
async function writeStatus(tx: ClientTransaction, pbId: string, status: PbState['status']): Promise<boolean> {
  if (!(await tx.processingBlocks.isOwner(pbId))) return false;
  const state = tx.processingBlocks.state(pbId);
  await state.createOrUpdate({...(await state.get()), status, last_updated: blockTime(Date.now())});
  return true;
}
