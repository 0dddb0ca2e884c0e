import {describe, expect, test} from 'vitest';
import {ebKey, pbAdmissionKey, pbKey, pbOwnerKey, pbStateKey} from '../../../src/schema/keys.ts';
import {REALTIME, SCRIPT, blockApi} from '../../support/block-api.ts';

const {ask, get, put, newPb, claim, refused} = blockApi();

async function newEb(): Promise<string> {
  return (await ask('POST', '/eb', {body: {scan_types: [{scan_type_id: 'science'}]}})).body.id as string;
}

describe('POST /pb', () => {
  test('makes a block of its own, with its defaults and whatever else it says', async () => {
    const {status, body} = await ask('POST', '/pb?generator=test', {body: {script: {...SCRIPT, extra: 1}, sbi: 'kept'}});
    expect(status).toBe(201);
    expect(body).toMatchObject({state: null, owner: null, admission: null, is_waiting: false});
    expect(body.id).toMatch(/^pb-test-\d{8}-00000$/);
    expect(await get(pbKey(body.id))).toEqual({
      ...{pb_id: body.id, eb_id: null, script: {...SCRIPT, extra: 1}, sbi: 'kept', parameters: {}, dependencies: []},
    });
  });

  test('takes the first free number, and none of which anything is left', async () => {
    const next = async (): Promise<string> => (await ask('POST', '/pb?generator=hole', {body: {script: SCRIPT}})).body.id as string;
    const [zero, one] = [await next(), await next()];
    await ask('DELETE', `/pb/${zero}`);
    expect(await next()).toBe(zero);
    await ask('DELETE', `/pb/${zero}`);
    await put(pbStateKey(zero), {status: 'FAILED'});
    expect(await next()).toBe(one.replace(/1$/, '2'));
  });

  test('writes a block into the lists of its execution block in the same transaction', async () => {
    const eb = await newEb();
    const batch = (await ask('POST', '/pb', {body: {eb_id: eb, script: SCRIPT}})).body.id as string;
    const realtime = (await ask('POST', '/pb', {body: {eb_id: eb, script: REALTIME}})).body.id as string;
    const stored = await get(ebKey(eb));
    expect(stored).toMatchObject({pb_batch: [batch], pb_realtime: [realtime]});
    const both = await Promise.all([1, 2, 3, 4, 5].map(() => ask('POST', '/pb', {body: {eb_id: eb, script: SCRIPT}})));
    expect(new Set((await get(ebKey(eb))).pb_batch)).toEqual(new Set([batch, ...both.map(({body}) => body.id)]));
  });

  test('refuses an execution block that there is not, or that has ended for what is realtime', async () => {
    expect(await refused('POST', '/pb', {body: {eb_id: 'eb-none', script: SCRIPT}})).toBe('400 eb_id: there is no execution block eb-none');
    const eb = await newEb();
    await ask('PATCH', `/eb/${eb}`, {body: {status: 'FINISHED'}});
    expect(await refused('POST', '/pb', {body: {eb_id: eb, script: REALTIME}})).toBe(
      `409 eb_id: execution block ${eb} is FINISHED: nothing realtime can be added`,
    );
    expect((await ask('POST', '/pb', {body: {eb_id: eb, script: SCRIPT}})).status).toBe(201);
  });

  test.each<[string, unknown, string]>([
    ['no object', [], "400 the body: must be type 'object' (dict)"],
    ['no script', {}, '400 script: is missing'],
    ['a script without a kind', {script: {name: 'x', version: '1'}}, '400 script.kind: is missing'],
    ['a script with a colon in a part', {script: {...SCRIPT, name: 'a:b'}}, "400 script.name: must match the pattern '^[\\\\w.-]{1,64}$'"],
    ['an id with a line break', {pb_id: 'foo\n', script: SCRIPT}, '400 pb_id: must match the pattern'],
    ['parameters that are a list', {script: SCRIPT, parameters: []}, '400 parameters: must be type'],
    ['itself as a dependency', {pb_id: 'self', script: SCRIPT, dependencies: [{pb_id: 'self'}]}, '400 dependencies: go in a circle: self -> self'],
    ['a dependency without a block', {script: SCRIPT, dependencies: [{kind: []}]}, '400 dependencies.0.pb_id: is missing'],
    ['what is no JSON', '{', '400 '],
    [
      'numbers too large for any',
      '{"script": {"kind": "a", "name": "b", "version": "c"}, "parameters": {"x": 1e400}}',
      '400 parameters.x: is too large',
    ],
    ['nothing', undefined, '400 Missing required request body'],
  ])('refuses %s', async (_, body, reason) => {
    expect(await refused('POST', '/pb', {body})).toContain(reason);
  });

  test('refuses a block that is larger than a value may be, naming what is large', async () => {
    expect(await refused('POST', '/pb', {body: {script: SCRIPT, parameters: {x: 'y'.repeat(600_000)}}})).toBe(
      "413 'parameters': must be no more than 524288 bytes",
    );
  });
});

describe('DELETE /pb/ID', () => {
  test('removes a block with all that belongs to it, and says who owned it; others of a similar name stay', async () => {
    const id = await newPb({pb_id: 'pb-del'});
    const sibling = await newPb({pb_id: 'pb-del-2'});
    await claim(id);
    await put(pbAdmissionKey(id), {slots: {local: 1}});
    const {status, body} = await ask('DELETE', `/pb/${id}`);
    expect(status).toBe(200);
    expect(body).toMatchObject({id, owner: {hostname: 'node-1', pid: 42}, admission: {slots: {local: 1}}});
    for (const key of [pbKey(id), pbStateKey(id), pbOwnerKey(id), pbAdmissionKey(id)]) expect(await get(key)).toBeUndefined();
    for (const key of [pbKey(sibling), pbStateKey(sibling)]) expect(await get(key)).toBeDefined();
  });

  test('removes one that is damaged', async () => {
    await put(pbKey('pb-broken'), '{');
    expect(await refused('GET', '/pb/pb-broken')).toMatch(/^409 \/pb\/pb-broken is damaged: processing block is not JSON/);
    const {status, body} = await ask('DELETE', '/pb/pb-broken');
    expect([status, body.spec]).toEqual([200, null]);
    expect((await ask('GET', '/pb/pb-broken')).status).toBe(404);
  });
});

describe('the list', () => {
  test('holds those that match exactly, page by page', async () => {
    const script = {kind: 'batch', name: 'paged', version: '1'};
    for (const pb_id of ['page-a', 'page-b', 'page-c']) await newPb({pb_id, script});
    await newPb({pb_id: 'page-other', script: {...script, name: 'paged2'}});
    const ids = ({body}: {body: {processing_blocks: {id: string}[]}}): string[] => body.processing_blocks.map(({id}) => id);
    expect(ids(await ask('GET', '/pb?name=paged&kind=batch'))).toEqual(['page-a', 'page-b', 'page-c']);
    const first = await ask('GET', '/pb?name=paged&limit=2');
    expect([ids(first), first.headers.get('x-scanplane-next-after')]).toEqual([['page-a', 'page-b'], 'page-b']);
    const second = await ask('GET', '/pb?name=paged&limit=2&after=page-b');
    expect([ids(second), second.headers.get('x-scanplane-next-after')]).toEqual([['page-c'], null]);
    expect(ids(await ask('GET', '/pb?name=paged&status=WAITING'))).toEqual([]);
  });

  test.each([
    ['nam=x', "400 'nam': not known here (known: eb_id, kind, name, version, status, limit, after)"],
    ['limit=0', "400 'limit': must be a whole number of at least 1"],
    ['limit=ten', "400 'limit': must be a whole number of at least 1"],
  ])('refuses ?%s', async (query, reason) => {
    expect(await refused('GET', `/pb?${query}`)).toBe(reason);
  });

  test('shows the others and names what is damaged', async () => {
    await put(pbKey('bad-1'), 'not json');
    await put(pbKey('bad-2'), {pb_id: 'somebody-else', script: SCRIPT});
    await put(`${pbKey('bad-3')}/stat`, {});
    await put(pbStateKey('page-a'), {status: 'ODD'});
    const {body} = await ask('GET', '/pb');
    const {damaged, processing_blocks: blocks} = body as {
      damaged: {key: string; reason: string}[];
      processing_blocks: {id: string; damaged?: unknown}[];
    };
    expect(damaged.map(({key}) => key)).toEqual(['/pb/bad-1', '/pb/bad-2', '/pb/bad-3/stat', '/pb/page-a/state']);
    expect(damaged[1]?.reason).toBe('pb_id is "somebody-else", but the key says bad-2');
    expect(blocks.find(({id}) => id === 'page-a')?.damaged).toMatchObject([{key: '/pb/page-a/state'}]);
    expect(blocks.some(({id}) => id.startsWith('bad'))).toBe(false);
    expect(await refused('GET', '/pb/bad-2')).toBe('409 /pb/bad-2 is damaged: pb_id is "somebody-else", but the key says bad-2');
    expect(await refused('PUT', '/pb/page-a/state', {body: {status: 'WAITING'}})).toMatch(/^409 \/pb\/page-a\/state is damaged/);
  });

  test.each(['pb-none', 'a_b', '%00', '..%2f..', 'x'.repeat(65)])('knows nothing of %s', async (id) => {
    expect(await refused('GET', `/pb/${id}`)).toMatch(/^404 there is no processing block /);
  });
});
