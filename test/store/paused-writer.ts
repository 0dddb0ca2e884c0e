/**
 * A process of its own for ownership.etcd.test.ts: claims `/scan/s1/owner` and writes `/scan/s1/state` in its name without a pause, until it is told
 * that it is not the owner. Prints one line for each thing that happened: `owner <createRevision>`, `wrote <revision>`, `refused <code>`.
 */
import {storeNode} from '../support/store-node.ts';
import {hasCode} from '../../src/lib/errors.ts';
import {ownerKey, stateKey} from '../../src/schema/keys.ts';

const node = storeNode({endpoints: [process.argv[2] ?? ''], ttlSeconds: 2});
await node.watch();
await node.lead();
const claim = await node.ownership.campaign(ownerKey('s1'));
if (claim.kind !== 'elected') throw new Error('not elected');
process.stdout.write(`owner ${claim.writer.createRevision}\n`);
for (;;) {
  try {
    // Without asking isOwner() first: the write itself has to be refused.
    process.stdout.write(`wrote ${await claim.writer.commit([], [{put: stateKey('s1'), value: '{"name":"RUNNING"}'}])}\n`);
  } catch (err) {
    const code = hasCode(err, 'not_owner', 'unknown_outcome', 'unavailable') ? err.code : String(err);
    process.stdout.write(`refused ${code}\n`);
    if (code === 'not_owner') break;
  }
}
await node.stop();
