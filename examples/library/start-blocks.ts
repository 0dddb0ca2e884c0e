import type {ConfigDatabase, ScriptId} from '../../src/client/index.ts';

/**
 * Creates an execution block with a batch block after a realtime one, all or nothing: the ids of the processing blocks.
 *
 * The body may run several times, each time on a new snapshot: what is to happen once belongs behind it, or into `onCommit`.
 */
export async function startBlocks(
  db: ConfigDatabase,
  receive: ScriptId,
  reduce: ScriptId,
  onCreated: (ebId: string) => void,
): Promise<readonly string[]> {
  return db.transact(async (tx) => {
    for (const script of [receive, reduce]) {
      if ((await tx.scripts.get(script)) === undefined) throw new Error(`there is no script ${script.kind}:${script.name}:${script.version}`);
    }
    const eb_id = await tx.executionBlocks.newId('example');
    const first = await tx.processingBlocks.newId('example');
    await tx.processingBlocks.create({pb_id: first, eb_id, script: receive});
    const second = await tx.processingBlocks.newId('example');
    await tx.processingBlocks.create({pb_id: second, eb_id, script: reduce, dependencies: [{pb_id: first, kind: ['vis-receive']}]});
    await tx.executionBlocks.create({eb_id, pb_realtime: [first], pb_batch: [second], max_length: 600});
    tx.onCommit(() => onCreated(eb_id));
    return [first, second];
  });
}
