import type {ConfigDatabase, PbStatus} from '../../src/client/index.ts';

const OVER: readonly (PbStatus | undefined)[] = ['FINISHED', 'FAILED', 'CANCELLED'];

/** Waits until all processing blocks of an execution block are over, those that are added meanwhile included, and gives their states. */
export async function waitForEnd(db: ConfigDatabase, ebId: string): Promise<Readonly<Record<string, PbStatus | undefined>>> {
  let states: Readonly<Record<string, PbStatus | undefined>> = {};
  // The body runs again when something changes that it has read, and only then.
  for await (const round of db.watcher()) {
    states = await round.transact(async (tx) => {
      const block = await tx.executionBlocks.get(ebId);
      const ids = [...(block?.pb_realtime ?? []), ...(block?.pb_batch ?? [])];
      const found = ids.map(async (id) => [id, (await tx.processingBlocks.state(id).get())?.status] as const);
      return Object.fromEntries(await Promise.all(found));
    });
    if (Object.values(states).every((status) => OVER.includes(status))) break;
  }
  return states;
}
