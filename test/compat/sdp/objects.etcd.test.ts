import {describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/client/index.ts';
import type {ClientTransaction, Found, ProcessingBlock} from '../../../src/client/index.ts';
import {blockIdPrefix, firstFreeId} from '../../../src/model/block-numbers.ts';
import {blockTime} from '../../../src/schema/block-ids.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase({prefixed: true});
const SCRIPT = {kind: 'realtime', name: 'test', version: '0.0.1'};
const aBlock = (pb_id: string, more: object = {}): {pb_id: string; script: typeof SCRIPT} => ({pb_id, script: SCRIPT, ...more});

/** In a transaction of its own. */
const tx = <T>(body: (tx: ClientTransaction) => Promise<T>): Promise<T> => on.db.transact(body);
const invalid = (detail: string): object => ({code: 'invalid', detail: expect.stringContaining(detail)});

describe('checks', () => {
  test('case 6: a processing block needs kind, name and version of its script', async () => {
    for (const part of ['kind', 'name', 'version'] as const) {
      const {[part]: _, ...rest} = SCRIPT;
      await expect(tx((t) => t.processingBlocks.create({pb_id: 'pb-a', script: rest as never}))).rejects.toMatchObject(invalid('script'));
    }
    expect((await on.db.list('/', {recurse: 9})).keys).toEqual([]);
  });

  test('case 7: ids of processing blocks are letters, digits and dashes', async () => {
    for (const id of ['asd_htb', 'foo/bar', ' x', 'föö']) {
      await expect(tx((t) => t.processingBlocks.create(aBlock(id)))).rejects.toMatchObject(invalid('is no id of a processing block'));
    }
    await tx((t) => t.processingBlocks.create(aBlock('foo-bar')));
    expect(await tx((t) => t.processingBlocks.list())).toEqual(['foo-bar']);
  });

  test('case 8: they have up to 64 characters, those of deployments up to 96', async () => {
    await tx((t) => t.processingBlocks.create(aBlock('a'.repeat(64))));
    for (const id of ['a'.repeat(65), '']) await expect(tx((t) => t.processingBlocks.create(aBlock(id)))).rejects.toMatchObject({code: 'invalid'});
    await tx((t) => t.deployments.create({id: 'a'.repeat(96), type: 'helm'}));
    for (const id of ['a'.repeat(97), 'a.b', 'bad_id', '']) {
      await expect(tx((t) => t.deployments.create({id, type: 'helm'}))).rejects.toMatchObject(invalid('is no id of a deployment'));
    }
  });

  test('case 9: an id does not end in a newline (mended)', async () => {
    await expect(tx((t) => t.processingBlocks.create(aBlock('foo\n')))).rejects.toMatchObject({code: 'invalid'});
    await expect(tx((t) => t.processingBlocks.get('foo\n'))).rejects.toMatchObject({code: 'invalid'});
  });

  test('case 10: a deployment of an unknown type is refused', async () => {
    await expect(tx((t) => t.deployments.create({id: 'd', type: 'terraform' as never}))).rejects.toMatchObject(invalid('type'));
  });

  test('case 11: values are stored as canonical JSON', async () => {
    await tx((t) => t.scripts.create('batch:a:1', {b: 1, a: {z: [1, 2], é: null, t: true}}));
    const text = '{\n  "a": {\n    "t": true,\n    "z": [\n      1,\n      2\n    ],\n    "é": null\n  },\n  "b": 1\n}';
    expect((await on.db.get('/script/batch:a:1')).text).toBe(text);
  });

  test('case 12: a list or a text is no object', async () => {
    for (const value of [[1], 'text', 1, null, undefined]) {
      await expect(tx((t) => t.scripts.create('batch:a:1', value as never))).rejects.toMatchObject(invalid('object'));
      await expect(tx((t) => t.processingBlocks.create(value as never))).rejects.toMatchObject({code: 'invalid'});
    }
  });

  test('case 13: parameters and dependencies of a processing block are empty where nothing is said', async () => {
    await tx((t) => t.processingBlocks.create(aBlock('pb-a')));
    expect(await tx((t) => t.processingBlocks.get('pb-a'))).toEqual({...aBlock('pb-a'), eb_id: null, parameters: {}, dependencies: []});
  });

  test('case 14: further members of a processing block are kept', async () => {
    const extra = {purpose: 'test', nested: {list: [1, {a: null}]}};
    await tx((t) => t.processingBlocks.create(aBlock('pb-a', extra)));
    expect(await tx((t) => t.processingBlocks.get('pb-a'))).toMatchObject(extra);
  });

  test('case 15: blocks of equal content are equal, and their text makes an equal one', async () => {
    const parameters = {a: [1]};
    await tx((t) => t.processingBlocks.create(aBlock('pb-a', {parameters})));
    parameters.a.push(2);
    const stored = (await tx((t) => t.processingBlocks.get('pb-a'))) as ProcessingBlock;
    expect(stored.parameters).toEqual({a: [1]});
    expect(JSON.parse(canonicalJson(stored))).toEqual(stored);
    await tx((t) => t.processingBlocks.update(JSON.parse(canonicalJson(stored)) as ProcessingBlock));
    expect(await tx((t) => t.processingBlocks.get('pb-a'))).toEqual(stored);
  });

  test('what JSON cannot say, or would change, is refused with its place', async () => {
    const parameters = JSON.parse('{"__proto__": {"x": 1}}') as object;
    await expect(tx((t) => t.processingBlocks.create(aBlock('pb-a', {parameters})))).rejects.toMatchObject(invalid('__proto__'));
    await expect(tx((t) => t.processingBlocks.create(aBlock('pb-a', {parameters: {n: Number.NaN}})))).rejects.toMatchObject(invalid('parameters.n'));
  });
});

describe('processing blocks', () => {
  const today = blockTime(Date.now()).slice(0, 10).replaceAll('-', '');

  test('case 92: ids are given one after the other, and their blocks are listed in order', async () => {
    const ids = await tx(async (t) => {
      const first = await t.processingBlocks.newId('test');
      await t.processingBlocks.create(aBlock(first));
      const second = await t.processingBlocks.newId('test');
      await t.processingBlocks.create(aBlock(second));
      expect(await t.processingBlocks.list()).toEqual([first, second]);
      return [first, second];
    });
    expect(ids.map((id) => id.replace(/\d{8}/, 'DATE'))).toEqual(['pb-test-DATE-00000', 'pb-test-DATE-00001']);
    expect(await tx((t) => t.processingBlocks.list())).toEqual(ids);
  });

  test('case 93: what has become free is given again', async () => {
    const prefix = blockIdPrefix('pb', 'test', Date.UTC(2026, 0, 2));
    const taken = [`${prefix}00000`, `${prefix}00002`, `${prefix}1`, 'pb-other-20260102-00001'];
    expect(firstFreeId(prefix, (id) => taken.includes(id))).toBe('pb-test-20260102-00001');
    await tx((t) => Promise.all([0, 2].map((n) => t.processingBlocks.create(aBlock(`pb-test-${today}-0000${n}`)))));
    expect(await tx((t) => t.processingBlocks.newId('test'))).toMatch(/-00001$/);
  });

  test('case 94: when all numbers are used it is an error (mended)', () => {
    const prefix = blockIdPrefix('pb', 'test', Date.UTC(2026, 0, 2));
    expect(() => firstFreeId(prefix, () => true)).toThrow(expect.objectContaining({code: 'already_exists'}));
    expect(firstFreeId(prefix, (id) => id !== `${prefix}99999`)).toBe(`${prefix}99999`);
  });

  test('two who ask at the same time and create their blocks have different ids', async () => {
    const create = (): Promise<string> =>
      tx(async (t) => {
        const id = await t.processingBlocks.newId('race');
        await t.processingBlocks.create(aBlock(id));
        return id;
      });
    const ids = await Promise.all(Array.from({length: 8}, create));
    expect(new Set(ids).size).toBe(8);
    expect((await tx((t) => t.processingBlocks.list('pb-race-'))).map((id) => id.slice(-5))).toEqual(ids.map((_, n) => `0000${n}`));
  });

  test('the day of an id is that of UTC, and a generator is what an id may have', () => {
    expect(blockIdPrefix('pb', 'a', Date.UTC(2026, 11, 31, 23, 59))).toBe('pb-a-20261231-');
    for (const generator of ['', 'a_b', 'a/b', 'a'.repeat(60)]) expect(() => blockIdPrefix('pb', generator, 0)).toThrow(/generator/);
  });

  test('case 95: an absent block is none', async () => {
    expect(await tx((t) => t.processingBlocks.get('pb-a'))).toBeUndefined();
  });

  test('case 96: what is changed of a block is kept', async () => {
    await tx((t) => t.processingBlocks.create(aBlock('pb-a', {eb_id: null})));
    const dependencies = [{pb_id: 'pb-b', kind: ['vis']}];
    await tx(async (t) => {
      const block = (await t.processingBlocks.get('pb-a')) as ProcessingBlock;
      await t.processingBlocks.update({...block, parameters: {n: 1}, dependencies});
    });
    expect(await tx((t) => t.processingBlocks.get('pb-a'))).toMatchObject({eb_id: null, parameters: {n: 1}, dependencies});
    await expect(tx((t) => t.processingBlocks.update(aBlock('pb-none')))).rejects.toMatchObject({code: 'not_found', key: '/pb/pb-none'});
  });

  test('case 97: the same block is not created twice, not even in one transaction', async () => {
    const twice = tx(async (t) => {
      await t.processingBlocks.create(aBlock('pb-a'));
      await t.processingBlocks.create(aBlock('pb-a'));
    });
    await expect(twice).rejects.toMatchObject({code: 'already_exists', key: '/pb/pb-a'});
  });

  test('case 98: the state of a block is created once, and updated from then on', async () => {
    const state = {status: 'STARTING', resources_available: false} as const;
    expect(await tx((t) => t.processingBlocks.state('pb-a').get())).toBeUndefined();
    await tx((t) => t.processingBlocks.state('pb-a').create(state));
    expect(await tx((t) => t.processingBlocks.state('pb-a').get())).toEqual(state);
    await expect(tx((t) => t.processingBlocks.state('pb-a').create(state))).rejects.toMatchObject({code: 'already_exists', key: '/pb/pb-a/state'});
    await tx((t) => t.processingBlocks.state('pb-a').update({...state, status: 'WAITING', deployments: {d: 'RUNNING'}}));
    expect(await tx((t) => t.processingBlocks.state('pb-a').get())).toEqual({...state, status: 'WAITING', deployments: {d: 'RUNNING'}});
    await expect(tx((t) => t.processingBlocks.state('pb-a').update({status: 'DONE' as never}))).rejects.toMatchObject(invalid('status'));
  });

  test('case 99: a list of blocks has neither states nor owners, nor blocks that are nothing but a state', async () => {
    await tx((t) => t.processingBlocks.create(aBlock('pb-a')));
    for (const key of ['/pb/pb-a/state', '/pb/pb-a/owner', '/pb/pb-b/state']) await on.db.create(key, '{"status":"RUNNING"}');
    expect(await tx((t) => t.processingBlocks.list())).toEqual(['pb-a']);
    expect(await tx((t) => t.processingBlocks.values())).toMatchObject([{id: 'pb-a', value: {pb_id: 'pb-a'}}]);
  });
});

describe('other objects', () => {
  test('case 100: execution blocks are listed in order, created once, updated', async () => {
    expect(await tx((t) => t.executionBlocks.list())).toEqual([]);
    for (const eb_id of ['foo', 'bar']) await tx((t) => t.executionBlocks.create({eb_id, max_length: 60, beams: [{beam_id: 'vis0'}]}));
    expect(await tx((t) => t.executionBlocks.list())).toEqual(['bar', 'foo']);
    expect(await tx((t) => t.executionBlocks.get('none'))).toBeUndefined();
    await expect(tx((t) => t.executionBlocks.create({eb_id: 'foo'}))).rejects.toMatchObject({code: 'already_exists', key: '/eb/foo'});
    const foo = await tx((t) => t.executionBlocks.get('foo'));
    const changed = {...foo, eb_id: 'foo', status: 'FINISHED', subarray_id: '01'} as const;
    await tx((t) => t.executionBlocks.update(changed));
    expect(await tx((t) => t.executionBlocks.get('foo'))).toEqual(changed);
  });

  test('an execution block whose dynamic members are kept apart is read and written as one', async () => {
    await on.db.create('/eb/eb-a', '{"key":"eb-a","scan_types":[{"scan_type_id":"x"}]}');
    await on.db.create('/eb/eb-a/state', '{"status":"ACTIVE","scan_type":"x","scan_id":3,"scans":[]}');
    const block = await tx((t) => t.executionBlocks.get('eb-a'));
    expect(block).toMatchObject({eb_id: 'eb-a', status: 'ACTIVE', current_scan_type: 'x', scan_id: 3});
    await tx((t) => t.executionBlocks.update({...block, eb_id: 'eb-a', status: 'FINISHED', scan_id: null}));
    expect(JSON.parse((await on.db.get('/eb/eb-a/state')).text as string)).toEqual({status: 'FINISHED', scan_type: 'x', scan_id: null, scans: []});
    const definition = JSON.parse((await on.db.get('/eb/eb-a')).text as string) as object;
    expect(Object.keys(definition)).not.toContain('status');
    await tx((t) => t.executionBlocks.delete('eb-a'));
    expect((await on.db.list('/', {recurse: 9})).keys).toEqual([]);
  });

  test('case 101: so are subarrays and their controller', async () => {
    expect(await tx((t) => t.subarrays.list())).toEqual([]);
    for (const id of ['02', '01']) await tx((t) => t.subarrays.create(id, {state: 'OFF', obs_state_target: 'EMPTY', eb_id: null}));
    expect(await tx((t) => t.subarrays.list())).toEqual(['01', '02']);
    expect(await tx((t) => t.subarrays.get('03'))).toBeUndefined();
    await expect(tx((t) => t.subarrays.create('01', {}))).rejects.toMatchObject({code: 'already_exists', key: '/lmc/subarray/01'});
    const changed = {state: 'ON', obs_state_target: 'IDLE', eb_id: 'eb-a', transaction_id: 'txn-1'} as const;
    await tx((t) => t.subarrays.update('01', changed));
    expect(await tx((t) => t.subarrays.get('01'))).toEqual(changed);

    expect(await tx((t) => t.lmcController.get())).toBeUndefined();
    await tx((t) => t.lmcController.create({state: 'OFF'}));
    await expect(tx((t) => t.lmcController.create({state: 'ON'}))).rejects.toMatchObject({code: 'already_exists', key: '/lmc/controller'});
    await tx((t) => t.lmcController.update({state: 'ON', last_command: 'On'}));
    expect(await tx((t) => t.lmcController.get())).toEqual({state: 'ON', last_command: 'On'});
  });

  test('case 102: scripts are found by their parts, created once, updated, deleted', async () => {
    const names = ['batch:a:0.1', 'batch:a:0.2', 'batch:b:0.1', 'realtime:a:0.1'];
    for (const name of names) await tx((t) => t.scripts.create(name, {image: `img/${name.replaceAll(':', '-')}`}));
    const found = (parts: object): Promise<string[]> =>
      tx(async (t) => (await t.scripts.find(parts)).map(({kind, name, version}) => `${kind}:${name}:${version}`));
    expect(await found({})).toEqual(names);
    expect(await found({kind: 'batch'})).toEqual(names.slice(0, 3));
    expect(await found({kind: 'batch', name: 'a'})).toEqual(names.slice(0, 2));
    expect(await found({version: '0.1'})).toEqual(['batch:a:0.1', 'batch:b:0.1', 'realtime:a:0.1']);
    const first = {kind: 'batch', name: 'a', version: '0.1'};
    await expect(tx((t) => t.scripts.create(first, {}))).rejects.toMatchObject({code: 'already_exists', key: '/script/batch:a:0.1'});
    await tx((t) => t.scripts.update(first, {image: 'new'}));
    expect(await tx((t) => t.scripts.get('batch:a:0.1'))).toEqual({image: 'new'});
    await tx((t) => t.scripts.delete(first));
    expect(await tx((t) => t.scripts.get(first))).toBeUndefined();
    await expect(tx((t) => t.scripts.create('batch:a', {}))).rejects.toMatchObject({code: 'invalid'});
  });

  test('case 103: a part that is the beginning of another finds only itself (mended)', async () => {
    for (const name of ['batch:te:1', 'batch:test:1']) await tx((t) => t.scripts.create(name, {}));
    expect(await tx((t) => t.scripts.find({kind: 'batch', name: 'te'}))).toEqual([{kind: 'batch', name: 'te', version: '1'}]);
  });

  test('case 104: deleting a script keeps those whose version begins the same (mended)', async () => {
    for (const version of ['0.2.1', '0.2.10']) await tx((t) => t.scripts.create({kind: 'batch', name: 'a', version}, {}));
    await tx((t) => t.scripts.delete('batch:a:0.2.1'));
    expect(await tx((t) => t.scripts.list())).toEqual(['batch:a:0.2.10']);
  });

  test('case 105: deleting a deployment keeps those whose name begins the same (mended)', async () => {
    for (const id of ['test', 'test2', 'test-b']) await tx((t) => t.deployments.create({id, type: 'helm', args: {chart: 'c'}}));
    await on.db.create('/deploy/test/state', '{"status":"RUNNING"}');
    await tx((t) => t.deployments.delete('test'));
    expect((await on.db.list('/deploy', {recurse: 9})).keys).toEqual(['/deploy/test-b', '/deploy/test2']);
  });

  test('case 106: an absent deployment is none (mended)', async () => {
    expect(await tx((t) => t.deployments.get('none'))).toBeUndefined();
    expect(await tx((t) => t.deployments.state('none').get())).toBeUndefined();
  });
});

describe('damage', () => {
  test('case 107: a value that names another id than its key is damage (mended)', async () => {
    await on.db.create('/pb/x', canonicalJson(aBlock('y')));
    await expect(tx((t) => t.processingBlocks.get('x'))).rejects.toMatchObject({
      code: 'invalid',
      key: '/pb/x',
      detail: expect.stringContaining('"y"'),
    });
  });

  test('case 108: one damaged record is an error of its own, and hides no other (mended)', async () => {
    const damaged = {a: 'not json', b: '', c: '{"pb_id":"c"}', d: '[]'};
    for (const [id, text] of Object.entries(damaged)) await on.db.create(`/pb/${id}`, text);
    await tx((t) => t.processingBlocks.create(aBlock('sound')));
    await on.db.create('/pb/bad_name', canonicalJson(aBlock('bad_name')));
    expect(await tx((t) => t.processingBlocks.list())).toEqual(['a', 'b', 'c', 'd', 'sound']);
    const found = await tx((t) => t.processingBlocks.values());
    const told = ({id, error}: Found<unknown>): unknown => [id, error?.code, error?.key];
    expect(found.map(told)).toEqual([...Object.keys(damaged).map((id) => [id, 'invalid', `/pb/${id}`]), ['sound', undefined, undefined]]);
    // It can be taken away, and put right.
    await tx((t) => t.processingBlocks.delete('a'));
    await tx((t) => t.processingBlocks.update(aBlock('b')));
    expect(await tx((t) => t.processingBlocks.get('b'))).toMatchObject({pb_id: 'b'});
  });

  test('case 109: what is below an object goes with it, in the same transaction (mended)', async () => {
    for (const id of ['pb-x', 'pb-x2', 'pb-x-y']) {
      await tx((t) => t.processingBlocks.create(aBlock(id)));
      for (const child of ['state', 'owner']) await on.db.create(`/pb/${id}/${child}`, '{}');
    }
    const {keys: before} = await on.db.list('/pb', {recurse: 9});
    await tx((t) => t.processingBlocks.delete('pb-x'));
    expect((await on.db.list('/pb', {recurse: 9})).keys).toEqual(before.filter((key) => !/^\/pb\/pb-x(\/|$)/.test(key)));
    const gone = await on.db.get('/pb/pb-x');
    expect(gone.text).toBeUndefined();
    await expect(tx((t) => t.processingBlocks.delete('pb-x'))).rejects.toMatchObject({code: 'not_found', key: '/pb/pb-x'});
  });
});
