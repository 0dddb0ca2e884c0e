import {execFile} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {connect} from '../../../src/client/index.ts';
import type {ConfigDatabase, Input, PbState, ProcessingBlock, SubarrayCommand} from '../../../src/client/index.ts';
import type {JobLogEntry} from '../../../src/schema/job-log.ts';
import {pbKey, pbOwnerKey, pbStateKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {TestSystem} from '../../support/system.ts';

/** The scripts of examples/scripts as real processes under the real system. */

const example = (file: string): string => fileURLToPath(new URL(`../../../examples/scripts/${file}`, import.meta.url));
const hasPython = await promisify(execFile)('python3', ['--version']).then(
  () => true,
  () => false,
);
const LANGUAGES = [
  {language: 'TypeScript', version: 'ts', command: [process.execPath, example('process-block.ts')], isThere: true},
  {language: 'Python', version: 'py', command: ['python3', example('process_block.py')], isThere: hasPython},
];
const MANY = 50_000_000;

let etcd: TestEtcd;
let system: TestSystem;
let db: ConfigDatabase;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, capacity: 100});
  await system.startReplica();
  db = connect({endpoints: [etcd.endpoint]}, {});
  await db.transact(async (tx) => {
    for (const {version, command} of LANGUAGES) {
      for (const kind of ['batch', 'realtime']) {
        await tx.scripts.create({kind, name: 'example', version}, {command, env: [['CLAIM_TTL_SECONDS', '2']]});
      }
    }
  });
});

afterAll(async () => {
  await db?.close();
  await system?.stop();
  await etcd?.stop();
});

const stateOf = (id: string): Promise<PbState | undefined> => db.transact((tx) => tx.processingBlocks.state(id).get());

function until(id: string, expected: Partial<PbState>): Promise<PbState> {
  return eventually(
    async () => {
      const state = await stateOf(id);
      expect(state).toMatchObject(expected);
      return state as PbState;
    },
    {timeoutMs: 30_000},
  );
}

/** All states that a block goes through, until its status is one of `last`. */
async function statesOf(id: string, last: readonly string[]): Promise<PbState[]> {
  const seen: PbState[] = [];
  for await (const {text} of await db.watch(pbStateKey(id), {from: 1})) {
    if (text === undefined) continue;
    seen.push(JSON.parse(text) as PbState);
    if (last.includes(seen.at(-1)?.status ?? '')) break;
  }
  return seen;
}

function statuses(states: readonly PbState[]): string[] {
  return states.map(({status}) => status).filter((status, i, all) => status !== all[i - 1]);
}

async function logsOf(id: string): Promise<JobLogEntry[]> {
  const {entries} = await system.database.store.range(`~log/deploy.proc-${id}-script/`);
  return entries.map(({value}) => JSON.parse(value.toString()) as JobLogEntry);
}

describe.for(LANGUAGES)('a script in $language', ({version, isThere}) => {
  beforeEach(({skip}) => skip(!isThere, 'there is no python3 on this machine'));

  let count = 0;
  let id = '';
  let ebId = '';

  /** Puts a block for this language's script, and what its execution block needs. */
  async function putBlock(kind: 'batch' | 'realtime', more: Omit<Input<ProcessingBlock>, 'pb_id' | 'script'> = {}): Promise<void> {
    const number = String(++count).padStart(5, '0');
    id = `pb-${version}-20260101-${number}`;
    ebId = `eb-${version}-20260101-${number}`;
    await db.transact(async (tx) => {
      await tx.executionBlocks.create({eb_id: ebId, scan_types: [{scan_type_id: 'science'}], [`pb_${kind}`]: [id], status: 'ACTIVE'});
      await tx.processingBlocks.create({parameters: {up_to: 1000}, ...more, pb_id: id, eb_id: ebId, script: {kind, name: 'example', version}});
    });
  }

  function endEb(status: 'FINISHED' | 'CANCELLED'): Promise<void> {
    return db.transact(async (tx) => {
      const eb = await tx.executionBlocks.get(ebId);
      await tx.executionBlocks.update({...eb, eb_id: ebId, status});
    });
  }

  const gone = (): Promise<unknown> => eventually(async () => expect((await db.get(pbOwnerKey(id))).text).toBeUndefined(), {timeoutMs: 20_000});

  test('case 139: it owns its block, which it has read in the same transaction, before it writes anything', async () => {
    await putBlock('batch');
    const finished = await statesOf(id, ['FINISHED']);
    const first: {key: string; revision: number}[] = [];
    for await (const {path: key, revision, text} of await db.watch(pbKey(id), {from: 1, prefix: true, recurse: 1})) {
      if (text !== undefined) first.push({key, revision});
      if (text?.includes('"FINISHED"') === true) break;
    }
    const at = (key: string): number => first.findIndex((each) => each.key === key);
    expect(at(pbOwnerKey(id))).toBeGreaterThan(at(pbKey(id)));
    // The controller alone wrote before that.
    expect(first.slice(0, at(pbOwnerKey(id))).filter(({key}) => key === pbStateKey(id))).toHaveLength(1);
    expect(finished.at(-1)).toMatchObject({status: 'FINISHED', primes: 168});
    await gone();
  });

  test('case 140: its block is STARTING, WAITING, RUNNING, FINISHED', async () => {
    await putBlock('batch');
    expect(statuses(await statesOf(id, ['FINISHED', 'FAILED']))).toEqual(['STARTING', 'WAITING', 'RUNNING', 'FINISHED']);
  });

  test('case 141: a realtime block is FINISHED when its execution block is', async () => {
    await putBlock('realtime');
    await until(id, {status: 'RUNNING'});
    await endEb('FINISHED');
    expect(statuses(await statesOf(id, ['FINISHED', 'FAILED', 'CANCELLED']))).toEqual(['STARTING', 'WAITING', 'RUNNING', 'FINISHED']);
  });

  test('case 142: a realtime block is CANCELLED, not FINISHED, when its execution block is', async () => {
    await putBlock('realtime');
    await until(id, {status: 'RUNNING'});
    await endEb('CANCELLED');
    expect(statuses(await statesOf(id, ['FINISHED', 'FAILED', 'CANCELLED'])).at(-1)).toBe('CANCELLED');
  });

  test('case 143: a batch block goes on when its execution block is FINISHED', async () => {
    await putBlock('batch', {parameters: {up_to: 200_000}});
    await endEb('FINISHED');
    expect(statuses(await statesOf(id, ['FINISHED', 'FAILED', 'CANCELLED'])).at(-1)).toBe('FINISHED');
  });

  test('case 144: a block that an operator cancels while it waits never runs', async () => {
    await putBlock('batch', {parameters: {up_to: MANY}});
    const first = id;
    await putBlock('batch', {dependencies: [{pb_id: first, kind: ['any']}]});
    await until(id, {status: 'WAITING'});
    const answer = await fetch(`${system.address}/pb/${id}/state`, {
      method: 'PATCH',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify({status: 'CANCELLED'}),
    });
    expect(answer.status).toBe(200);
    await gone();
    expect(statuses(await statesOf(id, ['CANCELLED']))).toEqual(['STARTING', 'WAITING', 'CANCELLED']);
    await db.transact(async (tx) => tx.processingBlocks.delete(first));
  });

  test('case 145: it stops with "lost ownership" when an operator deletes the owner key; started again, it claims again', async () => {
    await putBlock('batch', {parameters: {up_to: MANY}});
    await until(id, {status: 'RUNNING'});
    const {text} = await db.get(pbOwnerKey(id));
    await etcd.etcdctl(['del', pbOwnerKey(id)]);
    await eventually(
      async () => {
        const again = (await db.get(pbOwnerKey(id))).text;
        expect(again).toBeDefined();
        expect(again).not.toBe(text);
      },
      {timeoutMs: 20_000},
    );
    const [log] = await logsOf(id);
    expect(log).toMatchObject({exit: 1, stderr: expect.stringContaining('lost ownership') as string});
    await db.transact(async (tx) => tx.processingBlocks.delete(id));
  });

  test('case 146: what a killed script owned is owned until its time is up; meanwhile its state stays, and who comes then may have it', async () => {
    await putBlock('batch', {parameters: {up_to: MANY}});
    const before = await until(id, {status: 'RUNNING', resources_available: true});
    const owner = await db.transact((tx) => tx.processingBlocks.getOwner(id));
    const lease = await db.clientLease();
    process.kill(owner?.pid ?? 0, 'SIGKILL');
    await expect(db.transact((tx) => tx.processingBlocks.take(id, lease))).rejects.toMatchObject({code: 'already_exists'});
    expect(await stateOf(id)).toEqual(before);
    // The one that the controller has started again waits for the same.
    await eventually(
      async () => {
        const next = await db.transact((tx) => tx.processingBlocks.getOwner(id));
        expect(next?.pid).toBeGreaterThan(0);
        expect(next?.pid).not.toBe(owner?.pid);
      },
      {timeoutMs: 20_000},
    );
    await db.transact(async (tx) => tx.processingBlocks.delete(id));
  });

  test('case 147: its block is FAILED, with the reason, when its work fails (mended)', async () => {
    await putBlock('batch', {parameters: {up_to: 'many'}});
    const {reason} = await until(id, {status: 'FAILED'});
    expect(reason).toMatch(version === 'py' ? /^TypeError: / : /up_to must be a number/);
    await gone();
  });

  test('case 148: the receive addresses that it publishes are those of its execution block, and the subarray is IDLE then', async () => {
    const pbId = `pb-${version}-20260101-99999`;
    const eb_id = `eb-${version}-20260101-99999`;
    const subarray = version === 'py' ? '02' : '01';
    const command = (name: SubarrayCommand, argument?: unknown): Promise<void> => db.transact((tx) => tx.subarrays.command(subarray, name, argument));
    const shown = (): Promise<string> => db.transact((tx) => tx.subarrays.obsState(subarray));
    await command('On');
    await command('AssignResources', {
      interface: 'https://schema.skao.int/ska-sdp-assignres/0.4',
      execution_block: {eb_id, max_length: 3600, scan_types: [{scan_type_id: 'science'}]},
      processing_blocks: [{pb_id: pbId, script: {kind: 'realtime', name: 'example', version}, parameters: {}}],
    });
    expect(await shown()).toBe('RESOURCING');
    await eventually(async () => expect(await shown()).toBe('IDLE'), {timeoutMs: 20_000});
    expect((await db.transact((tx) => tx.executionBlocks.get(eb_id)))?.pb_receive_addresses).toBe(pbId);
    const {receive_addresses} = await until(pbId, {status: 'RUNNING'});
    expect(receive_addresses).toEqual([{scan_type_id: 'science', host: [[0, '127.0.0.1']], port: [[0, expect.any(Number) as number, 1]]}]);
    const [{port}] = receive_addresses as unknown as [{port: [[number, number, number]]}];
    const socket = createSocket('udp4');
    await new Promise((sent) => {
      socket.send('a packet', port[0][1], '127.0.0.1', sent);
    });
    socket.close();
    await command('ReleaseResources');
    await until(pbId, {status: 'FINISHED'});
    await eventually(async () => expect(await logsOf(pbId)).toMatchObject([{stdout: expect.stringContaining('1 packets were received') as string}]));
  });
});
