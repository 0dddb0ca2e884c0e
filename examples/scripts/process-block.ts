import {createSocket} from 'node:dgram';
import type {AddressInfo} from 'node:net';
import {setImmediate} from 'node:timers/promises';
import {blockTime, connect} from '../../src/client/index.ts';
import type {ClientTransaction, ConfigDatabase, ExecutionBlock, PbState, PbStatus, ProcessingBlock} from '../../src/client/index.ts';

// A processing script through the library. In a program of your own the imports are from `scanplane`.
// As a realtime script it receives packets until its execution block ends; as a batch script it counts the primes up to the parameter `up_to`.

/** There is nothing left to do. `status`: what the block's state is to say then; without, it says so already. */
class Over extends Error {
  readonly status: PbStatus | undefined;

  constructor(status?: PbStatus) {
    super('nothing left to do');
    this.status = status;
  }
}

interface Owned {
  readonly block: ProcessingBlock;
  readonly state: PbState;
  readonly eb: ExecutionBlock | undefined;
}

const FINAL: ReadonlySet<string> = new Set(['FINISHED', 'FAILED', 'CANCELLED']);
const id = process.env['SCANPLANE_PB_ID'] ?? '';

/** How every transaction of the owner begins. What it writes is refused once the block is somebody else's. @throws Over */
async function owned({processingBlocks, executionBlocks}: ClientTransaction): Promise<Owned> {
  const block = await processingBlocks.get(id);
  const state = await processingBlocks.state(id).get();
  if (block === undefined || state === undefined || FINAL.has(state.status)) throw new Over();
  if (!(await processingBlocks.isOwner(id))) lose();
  const eb = block.eb_id === null ? undefined : await executionBlocks.get(block.eb_id);
  if (block.script.kind === 'realtime' && block.eb_id !== null) {
    const status = eb?.status ?? 'CANCELLED';
    if (status === 'FINISHED' || status === 'CANCELLED') throw new Over(status);
  }
  return {block, state, eb};
}

/** Ends this process at once: somebody else may own the block now. */
function lose(): never {
  console.error('lost ownership');
  process.exit(1);
}

async function write(tx: ClientTransaction, before: PbState, members: Partial<PbState>): Promise<void> {
  await tx.processingBlocks.state(id).update({...before, ...members, last_updated: blockTime(Date.now())});
}

/** The last words. They need no execution block that goes on. */
async function end(db: ConfigDatabase, members: Partial<PbState>): Promise<void> {
  await db.transact(async (tx) => {
    const state = await tx.processingBlocks.state(id).get();
    if (state !== undefined && !FINAL.has(state.status) && (await tx.processingBlocks.isOwner(id))) await write(tx, state, members);
  });
}

async function work(db: ConfigDatabase): Promise<void> {
  await db.transact(async (tx) => write(tx, (await owned(tx)).state, {status: 'WAITING'}));
  await db.transact(async (tx) => {
    const {state} = await owned(tx);
    if (state.resources_available !== true) return tx.loop({wait: true});
    return write(tx, state, {status: 'RUNNING', deployments: state.deployments ?? {}});
  });
  const {block} = await db.transact(owned);
  if (block.script.kind === 'realtime') await receive(db, block);
  else await countPrimes(db, block);
}

/** Counts packets until the observation ends. @throws Over */
async function receive(db: ConfigDatabase, {parameters}: ProcessingBlock): Promise<void> {
  const {interface: host = '127.0.0.1'} = parameters;
  if (typeof host !== 'string') throw new Error('parameters.interface must be an address');
  let count = 0;
  const socket = createSocket('udp4', () => count++);
  await new Promise<void>((resolve) => {
    socket.bind(0, host, resolve);
  });
  const {address, port}: AddressInfo = socket.address();
  try {
    await db.transact(async (tx) => {
      const {state, eb} = await owned(tx);
      const receive_addresses = (eb?.scan_types ?? []).map(({scan_type_id}) => ({scan_type_id, host: [[0, address]], port: [[0, port, 1]]}));
      await write(tx, state, {receive_addresses});
      if (eb !== undefined) await tx.executionBlocks.update({...eb, pb_receive_addresses: id, last_updated: blockTime(Date.now())});
    });
    for await (const round of db.watcher()) await round.transact(owned);
  } finally {
    socket.close();
    console.log(`${count} packets were received`);
  }
}

async function countPrimes(db: ConfigDatabase, {parameters}: ProcessingBlock): Promise<void> {
  const upTo = parameters['up_to'];
  if (typeof upTo !== 'number') throw new Error('parameters.up_to must be a number');
  let primes = 0;
  for (let number = 2; number <= upTo; number++) {
    let factor = 2;
    while (factor * factor <= number && number % factor !== 0) factor++;
    if (factor * factor > number) primes++;
    if (number % 10_000 !== 0) continue;
    await db.transact(owned);
    await setImmediate();
  }
  await end(db, {status: 'FINISHED', primes});
}

/** Owns the block, in the transaction that reads it; waits while somebody else does, whose claim ends by itself should that process be dead. */
async function claim(db: ConfigDatabase): Promise<void> {
  const lease = await db.clientLease();
  lease.onLost(lose);
  await db.transact(async (tx) => {
    const state = await tx.processingBlocks.state(id).get();
    if (state !== undefined && FINAL.has(state.status)) throw new Over();
    if ((await tx.processingBlocks.getOwner(id)) !== undefined) return tx.loop({wait: true});
    return tx.processingBlocks.take(id, lease);
  });
}

async function main(): Promise<void> {
  await using db = connect({ttlSeconds: Number(process.env['CLAIM_TTL_SECONDS'] ?? 10)});
  // Being stopped is no end of the block: whoever starts the script again goes on.
  process.once('SIGTERM', () => void db.close().finally(() => process.exit(143)));
  try {
    await claim(db);
    await work(db);
  } catch (err) {
    if (!(err instanceof Over)) await end(db, {status: 'FAILED', reason: String(err)});
    else if (err.status !== undefined) await end(db, {status: err.status});
    if (!(err instanceof Over)) throw err;
  }
}

await main();
