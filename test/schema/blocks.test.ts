import {describe, expect, test} from 'vitest';
import {blockTime, parseBlockTime, parseScriptId, scriptId} from '../../src/schema/block-ids.ts';
import {blocksOfDeployment, parseDeployment} from '../../src/schema/deployment.ts';
import {currentEb, parseEbState, parseExecutionBlock} from '../../src/schema/execution-block.ts';
import {deployKey, ebKey, parseKey, pbKey, pbOwnerKey, scriptKey} from '../../src/schema/keys.ts';
import {parsePbState, parseProcessingBlock} from '../../src/schema/processing-block.ts';

const script = {kind: 'batch', name: 'vis', version: '0.2.1'};

describe('keys', () => {
  test.each([
    [ebKey('eb-a-20260101-00000'), {kind: 'eb', id: 'eb-a-20260101-00000'}],
    [pbKey('a'.repeat(64)), {kind: 'pb', id: 'a'.repeat(64)}],
    [pbOwnerKey('pb-1'), {kind: 'pb-owner', id: 'pb-1'}],
    [deployKey('a'.repeat(96)), {kind: 'deploy', id: 'a'.repeat(96)}],
    [scriptKey('batch:vis:0.2.1'), {kind: 'script', id: 'batch:vis:0.2.1'}],
    ['/backlog/o/pb/pb-1', {kind: 'backlog', order: 'o', of: 'pb', id: 'pb-1'}],
  ])('%s is read back', (key, ref) => {
    expect(parseKey(key)).toEqual(ref);
  });

  test.each([
    ...['', 'a'.repeat(65), 'foo_bar', 'föö', ' x', 'foo\n', 'a.b'].map((id) => pbKey(id)),
    ...['a'.repeat(97), 'a.b', 'bad_id'].map((id) => deployKey(id)),
    ...['batch:vis', 'batch:vis:1:2', 'batch::1', 'batch:vis:1\n'].map((id) => scriptKey(id)),
    ...['/pb/x/report', '/pb/x/state/y', '/eb/x/owner', '/deploy/x/constructor', '/script/batch:vis:1/state'],
  ])('%j is no key of ours', (key) => {
    expect(parseKey(key)).toBeUndefined();
  });
});

describe('values', () => {
  test('a processing block keeps what it does not know, and has defaults for what may be left out', () => {
    const parsed = parseProcessingBlock(JSON.stringify({pb_id: 'pb-1', script, colour: 'red'}), pbKey('pb-1'));
    expect(parsed).toEqual({pb_id: 'pb-1', script, colour: 'red', eb_id: null, parameters: {}, dependencies: []});
  });

  test('a block that newer programs wrote is read: there its id is called key', () => {
    expect(parseProcessingBlock(JSON.stringify({key: 'pb-1', eb_id: 'eb-1', script}), pbKey('pb-1'))).toMatchObject({pb_id: 'pb-1', eb_id: 'eb-1'});
    expect(parseExecutionBlock('{"key":"eb-1"}', ebKey('eb-1'))).toMatchObject({eb_id: 'eb-1', status: 'ACTIVE', scan_id: null});
  });

  test('a block under another block’s key is damage', () => {
    expect(() => parseProcessingBlock(JSON.stringify({pb_id: 'pb-2', script}), pbKey('pb-1'))).toThrow('pb_id is "pb-2", but the key says pb-1');
  });

  test.each(['kind', 'name', 'version'])('a processing block whose script lacks its %s is damage', (member) => {
    const {[member]: _left, ...rest} = script as Record<string, string>;
    expect(() => parseProcessingBlock(JSON.stringify({pb_id: 'pb-1', script: rest}), pbKey('pb-1'))).toThrow(/script.*/);
  });

  test.each(['ACTIVE', 'FINISHED', 'CANCELLED', 'SCANNING', 'EMPTY'])('the status of an execution block may be %s', (status) => {
    expect(parseExecutionBlock(JSON.stringify({eb_id: 'eb-1', status}), ebKey('eb-1')).status).toBe(status);
  });

  test('what a newer program keeps in the state of an execution block counts before the block', () => {
    const block = parseExecutionBlock('{"eb_id":"eb-1","current_scan_type":"a","scan_id":1}', ebKey('eb-1'));
    const state = parseEbState('{"status":"FINISHED","scan_type":null,"scan_id":null}', '/eb/eb-1/state');
    expect(currentEb(block, state)).toMatchObject({status: 'FINISHED', current_scan_type: null, scan_id: null});
    expect(currentEb(block, undefined)).toBe(block);
  });

  test('receive addresses are a list by scan type, or the older map', () => {
    for (const receive_addresses of [[{scan_type_id: 'a', host: []}], {a: {host: []}}]) {
      expect(parsePbState(JSON.stringify({status: 'RUNNING', receive_addresses}), '/pb/x/state').receive_addresses).toEqual(receive_addresses);
    }
    expect(() => parsePbState('{"status":"RUNNING","receive_addresses":[{}]}', '/pb/x/state')).toThrow('receive_addresses');
  });

  test('a deployment of an unknown type is damage; the args of a chart are the chart’s', () => {
    expect(() => parseDeployment('{"id":"d","type":"terraform"}', deployKey('d'))).toThrow('type');
    expect(() => parseDeployment('{"id":"d","type":"job","args":{"command":"ls"}}', deployKey('d'))).toThrow('args.command');
    expect(parseDeployment('{"id":"d","type":"helm","args":{"command":"ls"}}', deployKey('d')).args).toEqual({command: 'ls'});
  });
});

test('a script’s id has three parts', () => {
  expect(scriptId(script)).toBe('batch:vis:0.2.1');
  expect(parseScriptId('batch:vis:0.2.1')).toEqual(script);
  expect(() => scriptId({...script, name: 'a:b'})).toThrow('script.name');
});

test('times of blocks are UTC to the second; seconds since 1970 are understood, too', () => {
  expect(blockTime(Date.UTC(2026, 0, 2, 3, 4, 5, 678))).toBe('2026-01-02 03:04:05');
  expect(parseBlockTime('2026-01-02 03:04:05')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  expect(parseBlockTime(1.5)).toBe(1500);
  for (const odd of ['2026-01-02T03:04:05Z', '2026-13-02 03:04:05', null, Number.NaN]) expect(parseBlockTime(odd)).toBeUndefined();
});

test('a deployment’s name says which blocks it may belong to', () => {
  expect(blocksOfDeployment('proc-pb-t-1-a-dask')).toEqual(['pb', 'pb-t', 'pb-t-1', 'pb-t-1-a']);
  expect(blocksOfDeployment('proc-pb')).toEqual([]);
  expect(blocksOfDeployment('vis-receive')).toEqual([]);
});
