import {describe, expect, test} from 'vitest';
import {SUBARRAY_COMMANDS} from '../../../src/client/index.ts';
import type {ExecutionBlock, SubarrayCommand} from '../../../src/client/index.ts';
import {OBS_STATES} from '../../../src/schema/execution-block.ts';
import type {ObsState} from '../../../src/schema/execution-block.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase({prefixed: true});

const RESOURCES = {
  interface: 'https://schema.skao.int/ska-sdp-assignres/0.4',
  execution_block: {eb_id: 'eb-a', max_length: 100, scan_types: [{scan_type_id: 'science'}], beams: [{beam_id: 'vis0'}]},
  processing_blocks: [
    {pb_id: 'pb-r', script: {kind: 'realtime', name: 'receive', version: '1'}, dependencies: [{pb_id: 'pb-b', kind: ['x']}]},
    {pb_id: 'pb-b', script: {kind: 'batch', name: 'ical', version: '1'}, dependencies: [{pb_id: 'pb-r', kind: ['vis']}]},
  ],
};
/** What each command takes, where it takes something. */
const ARGUMENTS: Partial<Record<SubarrayCommand, unknown>> = {AssignResources: RESOURCES, Configure: {scan_type: 'science'}, Scan: {scan_id: 7}};

const command = (name: SubarrayCommand, argument: unknown = ARGUMENTS[name]): Promise<void> =>
  on.db.transact((tx) => tx.subarrays.command('01', name, argument));
const shown = (): Promise<ObsState> => on.db.transact((tx) => tx.subarrays.obsState('01'));
const block = async (): Promise<ExecutionBlock> => (await on.db.transact((tx) => tx.executionBlocks.get('eb-a'))) as ExecutionBlock;
const everything = async (): Promise<unknown> => {
  const {keys} = await on.db.list('/', {recurse: 9});
  return Promise.all(keys.map(async (key) => [key, (await on.db.get(key)).modRevision]));
};
/** As a script does that receives. */
const publish = (): Promise<void> =>
  on.db.transact(async (tx) =>
    tx.executionBlocks.update({...((await tx.executionBlocks.get('eb-a')) as ExecutionBlock), pb_receive_addresses: 'pb-r'}),
  );

async function assigned(...then: SubarrayCommand[]): Promise<void> {
  for (const name of ['On', 'AssignResources'] as const) await command(name);
  await publish();
  for (const name of then) await command(name);
}

describe('the table of commands', () => {
  const TABLE: Readonly<Record<SubarrayCommand, {readonly from: readonly ObsState[]; readonly target: ObsState}>> = {
    On: {from: ['EMPTY'], target: 'EMPTY'},
    Off: {from: OBS_STATES, target: 'EMPTY'},
    AssignResources: {from: ['EMPTY'], target: 'RESOURCING'},
    ReleaseResources: {from: ['IDLE'], target: 'EMPTY'},
    Configure: {from: ['IDLE', 'READY'], target: 'READY'},
    Scan: {from: ['READY'], target: 'SCANNING'},
    EndScan: {from: ['SCANNING'], target: 'READY'},
    End: {from: ['READY'], target: 'IDLE'},
    Abort: {from: ['IDLE', 'CONFIGURING', 'READY', 'SCANNING', 'RESETTING'], target: 'ABORTED'},
    ObsReset: {from: ['ABORTED', 'FAULT'], target: 'IDLE'},
    Restart: {from: ['ABORTED', 'FAULT'], target: 'EMPTY'},
  };

  test('case 149: each command is allowed in its obsStates and in no others, and then nothing changes', async () => {
    for (const name of SUBARRAY_COMMANDS) {
      for (const obsState of OBS_STATES) {
        const hasBlock = obsState !== 'EMPTY';
        await on.db.delete('/', {prefix: true, recursive: true, mustExist: false});
        await on.db.transact(async (tx) => {
          const state = name === 'On' ? 'OFF' : 'ON';
          await tx.subarrays.create('01', {state, obs_state_target: obsState, eb_id: hasBlock ? 'eb-a' : null});
          if (hasBlock) await tx.executionBlocks.create({...RESOURCES.execution_block, pb_realtime: ['pb-r'], subarray_id: '01'});
        });
        const before = await everything();
        const failure: unknown = await command(name).then(
          () => undefined,
          (err: unknown) => err,
        );
        const {from, target} = TABLE[name];
        if (from.includes(obsState)) {
          expect([name, obsState, failure, await shown()]).toEqual([name, obsState, undefined, target]);
        } else {
          expect([name, obsState, failure]).toMatchObject([name, obsState, {code: 'wrong_state'}]);
          expect(await everything()).toEqual(before);
        }
      }
    }
  });

  test('a subarray that is OFF takes no command but On, and one that is ON not that', async () => {
    for (const name of SUBARRAY_COMMANDS) if (name !== 'On') await expect(command(name)).rejects.toMatchObject({code: 'wrong_state'});
    await command('On');
    await expect(command('On')).rejects.toMatchObject({code: 'wrong_state'});
    await expect(command('Fly' as never)).rejects.toMatchObject({code: 'invalid'});
  });
});

describe('what commands do', () => {
  test('case 148: a subarray is RESOURCING until receive addresses are published, then IDLE', async () => {
    await command('On');
    await command('AssignResources');
    expect(await shown()).toBe('RESOURCING');
    await expect(command('Configure')).rejects.toMatchObject({code: 'wrong_state'});
    await publish();
    expect([await shown(), (await block()).pb_receive_addresses]).toEqual(['IDLE', 'pb-r']);
  });

  test('AssignResources creates the execution block with all its processing blocks', async () => {
    await command('On');
    await command('AssignResources', JSON.stringify(RESOURCES));
    expect(await block()).toMatchObject({
      ...{status: 'ACTIVE', subarray_id: '01', pb_realtime: ['pb-r'], pb_batch: ['pb-b'], pb_receive_addresses: null, scan_id: null},
      ...{beams: [{beam_id: 'vis0'}], last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)},
    });
    const values = await on.db.transact((tx) => tx.processingBlocks.values());
    expect(values).toMatchObject([
      {id: 'pb-b', value: {eb_id: 'eb-a', dependencies: [{pb_id: 'pb-r', kind: ['vis']}]}},
      {id: 'pb-r', value: {eb_id: 'eb-a', dependencies: []}},
    ]);
    expect(await on.db.transact((tx) => tx.subarrays.get('01'))).toMatchObject({state: 'ON', eb_id: 'eb-a', last_command: 'AssignResources'});
  });

  test('a scan is configured, begun and ended, and the execution block shows it', async () => {
    await assigned('Configure', 'Scan');
    expect(await block()).toMatchObject({current_scan_type: 'science', scan_id: 7});
    await command('EndScan');
    expect(await block()).toMatchObject({current_scan_type: 'science', scan_id: null});
    await command('Configure', {new_scan_types: [{scan_type_id: 'more'}], scan_type: 'more'});
    expect(await block()).toMatchObject({current_scan_type: 'more', scan_types: [{scan_type_id: 'science'}, {scan_type_id: 'more'}]});
    await command('End');
    expect(await block()).toMatchObject({current_scan_type: null});
    await command('ReleaseResources');
    expect(await block()).toMatchObject({status: 'FINISHED', subarray_id: null});
    expect(await on.db.transact((tx) => tx.subarrays.get('01'))).toMatchObject({state: 'ON', eb_id: null, obs_state_target: 'EMPTY'});
  });

  test('case 150: AssignResources with the id of a block that exists fails, and no key is written', async () => {
    await command('On');
    await on.db.transact((tx) => tx.processingBlocks.create({pb_id: 'pb-b', script: {kind: 'batch', name: 'ical', version: '1'}}));
    let before = await everything();
    await expect(command('AssignResources')).rejects.toMatchObject({code: 'already_exists', key: '/pb/pb-b'});
    expect(await everything()).toEqual(before);
    await on.db.delete('/pb/pb-b');
    await on.db.transact((tx) => tx.executionBlocks.create({eb_id: 'eb-a'}));
    before = await everything();
    await expect(command('AssignResources')).rejects.toMatchObject({code: 'already_exists', key: '/eb/eb-a'});
    expect(await everything()).toEqual(before);
  });

  test('case 151: Configure with an unknown scan type, or with one that is there already, fails and changes nothing', async () => {
    await assigned();
    const before = await everything();
    await expect(command('Configure', {scan_type: 'unknown'})).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('unknown')});
    const again = {new_scan_types: [{scan_type_id: 'science'}], scan_type: 'science'};
    await expect(command('Configure', again)).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('science')});
    expect([await everything(), await shown()]).toEqual([before, 'IDLE']);
  });

  test('case 152: arguments that are no JSON, or not what the command takes, fail and change nothing', async () => {
    await command('On');
    const before = await everything();
    for (const argument of ['{"', '[]', '{}', '{"eb_id": 1}', '{"eb_id": "eb-a", "processing_blocks": [{}]}', undefined]) {
      const refused = on.db.transact((tx) => tx.subarrays.command('01', 'AssignResources', argument));
      await expect(refused).rejects.toMatchObject({code: 'invalid'});
    }
    const newer = {...RESOURCES, interface: 'https://schema.skao.int/ska-sdp-assignres/9.9'};
    await expect(command('AssignResources', newer)).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('interface')});
    expect(await everything()).toEqual(before);
    await assignedAfterOn();
    const idle = await everything();
    for (const argument of ['no', '{"scan_type": 1}']) await expect(command('Configure', argument)).rejects.toMatchObject({code: 'invalid'});
    expect(await everything()).toEqual(idle);
    await command('Configure');
    const ready = await everything();
    for (const argument of ['no', '{"scan_id": "1"}']) await expect(command('Scan', argument)).rejects.toMatchObject({code: 'invalid'});
    expect([await everything(), await shown()]).toEqual([ready, 'READY']);
  });

  async function assignedAfterOn(): Promise<void> {
    await command('AssignResources');
    await publish();
  }

  test('case 153: Off while scanning, or Restart after Abort, cancels the execution block and unlinks it', async () => {
    await assigned('Configure', 'Scan', 'Off');
    const cancelled = {status: 'CANCELLED', scan_id: null, subarray_id: null, current_scan_type: null};
    expect(await block()).toMatchObject(cancelled);
    expect(await on.db.transact((tx) => tx.subarrays.get('01'))).toMatchObject({state: 'OFF', eb_id: null, obs_state_target: 'EMPTY'});

    await on.db.delete('/', {prefix: true, recursive: true, mustExist: false});
    await assigned('Configure', 'Scan', 'Abort');
    expect(await block()).toMatchObject({status: 'ACTIVE', scan_id: 7});
    await command('Restart');
    expect(await block()).toMatchObject(cancelled);
    expect(await on.db.transact((tx) => tx.subarrays.get('01'))).toMatchObject({state: 'ON', eb_id: null, obs_state_target: 'EMPTY'});
  });
});
