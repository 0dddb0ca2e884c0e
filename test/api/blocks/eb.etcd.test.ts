import {describe, expect, test} from 'vitest';
import {ebKey, ebStateKey, pbKey} from '../../../src/schema/keys.ts';
import {SCAN_BODY} from '../harness.ts';
import {REALTIME, SCRIPT, blockApi} from '../../support/block-api.ts';

const {ask, get, put, newPb, refused} = blockApi();

const SCAN_TYPES = [{scan_type_id: 'science', beams: {vis0: {}}}, {scan_type_id: 'calibration'}];

/** Makes an execution block. @returns its id */
async function newEb(more: Record<string, unknown> = {}): Promise<string> {
  const answer = await ask('POST', '/eb', {body: {scan_types: SCAN_TYPES, subarray_id: '01', ...more}});
  expect(answer.status, `${answer.reason}`).toBe(201);
  return answer.body.id as string;
}

describe('POST /eb', () => {
  test('makes an execution block with its processing blocks in one transaction', async () => {
    const body = {
      eb_id: 'eb-a-20260101-00000',
      max_length: 3600,
      context: {any: 'thing'},
      scan_types: SCAN_TYPES,
      processing_blocks: [
        {pb_id: 'pb-a-20260101-00000', script: REALTIME, parameters: {x: 1}},
        {pb_id: 'pb-a-20260101-00001', script: SCRIPT, dependencies: [{pb_id: 'pb-a-20260101-00000', kind: ['visibilities']}]},
      ],
    };
    const answer = await ask('POST', '/eb', {body});
    expect(answer).toMatchObject({status: 201, body: {id: body.eb_id, spec: {status: 'ACTIVE', context: {any: 'thing'}}, state: null}});
    expect(answer.headers.get('location')).toBe(`/v2/eb/${body.eb_id}`);
    expect(await get(ebKey(body.eb_id))).toMatchObject({
      ...{eb_id: body.eb_id, status: 'ACTIVE', max_length: 3600, scan_id: null, current_scan_type: null, pb_receive_addresses: null},
      ...{pb_realtime: ['pb-a-20260101-00000'], pb_batch: ['pb-a-20260101-00001'], scan_types: SCAN_TYPES},
      last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
    });
    expect(await get(ebKey(body.eb_id))).not.toHaveProperty('processing_blocks');
    expect(await get(pbKey('pb-a-20260101-00000'))).toEqual({
      ...{pb_id: 'pb-a-20260101-00000', eb_id: body.eb_id, script: REALTIME, parameters: {x: 1}, dependencies: []},
    });
    const list = await ask('GET', `/pb?eb_id=${body.eb_id}`);
    expect(list.body.processing_blocks.map(({id}: {id: string}) => id)).toEqual(['pb-a-20260101-00000', 'pb-a-20260101-00001']);
  });

  test('names what has no id: generator, date, first free number', async () => {
    const answer = await ask('POST', '/eb?generator=night', {body: {processing_blocks: [{script: SCRIPT}, {script: REALTIME}, {script: SCRIPT}]}});
    const date = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    expect(answer.body.id).toBe(`eb-night-${date}-00000`);
    expect(answer.body.spec).toMatchObject({
      pb_batch: [`pb-night-${date}-00000`, `pb-night-${date}-00002`],
      pb_realtime: [`pb-night-${date}-00001`],
    });
    expect((await ask('POST', '/eb?generator=night', {body: {}})).body.id).toBe(`eb-night-${date}-00001`);
    expect(await refused('POST', '/eb?generator=a_b', {body: {}})).toBe("400 'generator': must be 1 to 46 letters, digits and '-'");
  });

  test('is done once under an Idempotency-Key', async () => {
    const options = {body: {processing_blocks: [{script: SCRIPT}]}, headers: {'idempotency-key': 'once'}};
    const first = await ask('POST', '/eb', options);
    const again = await ask('POST', '/eb', options);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body).toEqual(first.body);
    expect(await refused('POST', '/eb', {...options, body: {}})).toBe('422 this Idempotency-Key was used for a request with another body');
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['an id that none may have', {eb_id: 'a_b'}, "400 eb_id: must match the pattern '^[A-Za-z0-9-]{1,64}$'"],
    ['a script without a name', {processing_blocks: [{script: {kind: 'batch', version: '1'}}]}, '400 processing_blocks.0.script.name: is missing'],
    ['no script', {processing_blocks: [{script: SCRIPT}, {}]}, '400 processing_blocks.1.script: is missing'],
    ['a status that is final', {status: 'FINISHED'}, '400 status: must be one of: '],
    ['a scan type twice', {scan_types: [{scan_type_id: 'a'}, {scan_type_id: 'a'}]}, '400 scan_types.1.scan_type_id: a is defined twice'],
    ['a current scan type that there is not', {current_scan_type: 'x'}, '400 current_scan_type: there is no scan type x'],
    ['a subarray of one digit', {subarray_id: '1'}, '400 subarray_id: must match one of the accepted types'],
    ['lists that are made of its blocks', {pb_batch: ['pb-x']}, '400 pb_batch: must have no more than 0 items'],
    [
      'the same block twice',
      {
        processing_blocks: [
          {pb_id: 'p', script: SCRIPT},
          {pb_id: 'p', script: SCRIPT},
        ],
      },
      '400 processing_blocks.1.pb_id: p stands in',
    ],
    [
      'a dependency on nothing',
      {processing_blocks: [{script: SCRIPT, dependencies: [{pb_id: 'pb-nowhere', kind: []}]}]},
      '400 processing_blocks.0.dependencies.0.pb_id: there is no processing block pb-nowhere',
    ],
    [
      'a circle',
      {
        processing_blocks: [
          {pb_id: 'c1', script: SCRIPT, dependencies: [{pb_id: 'c2'}]},
          {pb_id: 'c2', script: SCRIPT, dependencies: [{pb_id: 'c3'}]},
          {pb_id: 'c3', script: SCRIPT, dependencies: [{pb_id: 'c1'}]},
        ],
      },
      '400 processing_blocks.0.dependencies: go in a circle: c1 -> c2 -> c3 -> c1',
    ],
    [
      'a realtime block that waits',
      {
        processing_blocks: [
          {pb_id: 'r1', script: SCRIPT},
          {script: REALTIME, dependencies: [{pb_id: 'r1'}]},
        ],
      },
      '400 processing_blocks.1.dependencies: a realtime block waits for nothing',
    ],
    [
      'another execution block in its blocks',
      {eb_id: 'e1', processing_blocks: [{eb_id: 'e2', script: SCRIPT}]},
      '400 processing_blocks.0.eb_id: is another',
    ],
    ['a member by which prototypes are set', JSON.parse('{"x": {"__proto__": {"a": 1}}}'), '400 x.__proto__: no member may have this name'],
  ])('refuses %s, and has written nothing', async (_, body, reason) => {
    expect(await refused('POST', '/eb', {body})).toContain(reason);
  });

  test('refuses ids that are taken, of the block or of one in it, and has written nothing', async () => {
    const eb = await newEb();
    const pb = await newPb();
    expect(await refused('POST', '/eb', {body: {eb_id: eb}})).toBe(`409 execution block ${eb} exists already`);
    expect(await refused('POST', '/eb', {body: {eb_id: 'eb-new', processing_blocks: [{script: SCRIPT}, {pb_id: pb, script: SCRIPT}]}})).toBe(
      `409 processing block ${pb} exists already`,
    );
    expect(await get(ebKey('eb-new'))).toBeUndefined();
  });

  test('closes no circle through blocks that are there', async () => {
    await put(pbKey('old-1'), {pb_id: 'old-1', eb_id: null, script: SCRIPT, dependencies: [{pb_id: 'to-come'}]});
    await ask('GET', '/pb/old-1');
    const body = {processing_blocks: [{pb_id: 'to-come', script: SCRIPT, dependencies: [{pb_id: 'old-1'}]}]};
    expect(await refused('POST', '/eb', {body})).toBe('400 processing_blocks.0.dependencies: go in a circle: to-come -> old-1 -> to-come');
  });

  test('of two that take the same ids at once one is made', async () => {
    const body = {eb_id: 'eb-race', processing_blocks: [{pb_id: 'pb-race', script: SCRIPT}]};
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask('POST', '/eb', {body})));
    expect(answers.map(({status}) => status).sort((a, b) => a - b)).toEqual([201, 409, 409, 409]);
  });

  test('twenty at once that let their ids be chosen get twenty', async () => {
    const answers = await Promise.all(
      Array.from({length: 20}, () => ask('POST', '/eb?generator=crowd', {body: {processing_blocks: [{script: SCRIPT}]}})),
    );
    expect(new Set(answers.map(({body}) => body.id)).size).toBe(20);
    expect(new Set(answers.flatMap(({body}) => body.spec.pb_batch)).size).toBe(20);
  });
});

describe('PATCH /eb/ID', () => {
  test('appends scan types, sets the current one and the scan', async () => {
    const id = await newEb({context: {kept: true}});
    const patch = async (body: object): Promise<unknown> => (await ask('PATCH', `/eb/${id}`, {body})).body.spec;
    expect(await patch({scan_types: [{scan_type_id: 'third'}], current_scan_type: 'third'})).toMatchObject({
      scan_types: [...SCAN_TYPES, {scan_type_id: 'third'}],
      current_scan_type: 'third',
      context: {kept: true},
    });
    expect(await patch({scan_id: 7, status: 'SCANNING'})).toMatchObject({scan_id: 7, status: 'SCANNING', current_scan_type: 'third'});
    expect(await patch({scan_id: null, status: 'READY'})).toMatchObject({scan_id: null, status: 'READY', subarray_id: '01'});
    expect(await get(ebKey(id))).toMatchObject({status: 'READY', scan_types: {length: 3}});
  });

  test('refuses to define a scan type again, and to choose one that there is not', async () => {
    const id = await newEb();
    expect(await refused('PATCH', `/eb/${id}`, {body: {scan_types: [{scan_type_id: 'new'}, {scan_type_id: 'science'}]}})).toBe(
      '409 scan_types.1: scan type science is defined already',
    );
    expect(await refused('PATCH', `/eb/${id}`, {body: {current_scan_type: 'x'}})).toBe('400 current_scan_type: there is no scan type x');
    expect(await refused('PATCH', `/eb/${id}`, {body: {max_length: 1}})).toBe('400 max_length: is not known here');
    expect(await refused('PATCH', '/eb/eb-none', {body: {status: 'READY'}})).toBe('404 there is no execution block eb-none');
  });

  test.each(['FINISHED', 'CANCELLED'])('%s is final, and takes scan, scan type and subarray away', async (status) => {
    const id = await newEb();
    await ask('PATCH', `/eb/${id}`, {body: {current_scan_type: 'science', scan_id: 3, status: 'SCANNING'}});
    const ended = await ask('PATCH', `/eb/${id}`, {body: {status}});
    expect(ended.body.spec).toMatchObject({status, current_scan_type: null, scan_id: null, subarray_id: null});
    expect(await refused('PATCH', `/eb/${id}`, {body: {status: 'ACTIVE'}})).toBe(`409 execution block ${id} is ${status}, which is final`);
    expect(await refused('PATCH', `/eb/${id}`, {body: {scan_types: [{scan_type_id: 'late'}]}})).toMatch(/^409 /);
    expect(await refused('PATCH', `/eb/${id}`, {body: {scan_id: 4}})).toMatch(/^400 scan_id cannot be set while the status is/);
    expect((await ask('PATCH', `/eb/${id}`, {body: {status}})).status).toBe(200);
  });

  test('writes to the state key where a newer program keeps one', async () => {
    const id = await newEb();
    await put(ebStateKey(id), {status: 'ACTIVE', scan_type: null, scan_id: null, scans: [], theirs: 1});
    expect((await ask('PATCH', `/eb/${id}`, {body: {current_scan_type: 'science', scan_id: 1}})).body.spec).toMatchObject({
      current_scan_type: 'science',
      scan_id: 1,
    });
    expect(await get(ebStateKey(id))).toMatchObject({status: 'ACTIVE', scan_type: 'science', scan_id: 1, scans: [], theirs: 1});
    expect(await get(ebKey(id))).toMatchObject({current_scan_type: null, scan_id: null});
    await ask('PATCH', `/eb/${id}`, {body: {status: 'CANCELLED'}});
    expect(await get(ebStateKey(id))).toMatchObject({status: 'CANCELLED', scan_type: null, scan_id: null});
    expect(await get(ebKey(id))).toMatchObject({subarray_id: null});
  });
});

test('DELETE /eb/ID removes it and its state; its processing blocks stay', async () => {
  const id = await newEb({processing_blocks: [{script: SCRIPT}]});
  await put(ebStateKey(id), {status: 'ACTIVE'});
  const {body} = await ask('DELETE', `/eb/${id}`);
  expect(body).toMatchObject({id, spec: {status: 'ACTIVE'}});
  expect(await get(ebKey(id))).toBeUndefined();
  expect(await get(ebStateKey(id))).toBeUndefined();
  expect(await get(pbKey(body.spec.pb_batch[0]))).toBeDefined();
  expect(await refused('DELETE', `/eb/${id}`)).toBe(`404 there is no execution block ${id}`);
});

describe('a sky scan of an execution block', () => {
  test('names it in its request, not in the manifest, whose fields are SkyDriver’s; its rescans belong to it, too', async () => {
    const eb_id = await newEb();
    const scan = await ask('POST', '/scan', {body: {...SCAN_BODY, eb_id}});
    expect(scan.status).toBe(200);
    const id = scan.body.scan_id as string;
    expect(scan.body).not.toHaveProperty('eb_id');
    const {scan_id: _, rescan_ids: __, ...request} = (await ask('GET', `/scan-request/${id}`)).body;
    expect(request.eb_id).toBe(eb_id);
    expect((await get(`/scan/${id}`)).request.eb_id).toBe(eb_id);
    expect((await ask('POST', '/scan', {body: request})).status).toBe(200);
    const rescan = await ask('POST', `/scan/${id}/actions/rescan`);
    expect((await get(`/scan/${rescan.body.scan_id}`)).request.eb_id).toBe(eb_id);
    const other = (await ask('POST', '/scan', {body: {...SCAN_BODY, eb_id: ''}})).body.scan_id as string;
    expect((await ask('GET', `/scan-request/${other}`)).body).not.toHaveProperty('eb_id');
  });

  test('is refused when there is none of that id', async () => {
    expect(await refused('POST', '/scan', {body: {...SCAN_BODY, eb_id: 'eb-none'}})).toBe('400 execution block not found');
  });
});
