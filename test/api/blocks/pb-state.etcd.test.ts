import {describe, expect, test} from 'vitest';
import {ebKey, pbKey, pbOwnerKey, pbStateKey} from '../../../src/schema/keys.ts';
import {eventually} from '../../support/eventually.ts';
import {CLAIM, REALTIME, SCRIPT, blockApi} from '../../support/block-api.ts';

const blocks = blockApi();
const {ask, get, put, remove, newPb, claim, refused} = blocks;

const revisionOf = async (key: string): Promise<number | undefined> => (await blocks.api.store.get(key))?.modRevision;
const path = (id: string): string => `/pb/${id}/state`;

describe('the state of a processing block', () => {
  test('is written under a claim; members that nobody here knows, and the controller’s, are kept', async () => {
    const id = await newPb({}, {resources_available: true});
    const headers = await claim(id);
    const waiting = await ask('PATCH', path(id), {headers, body: {status: 'WAITING', theirs: {a: 1}, deployments: {}}});
    expect(waiting.body).toMatchObject({status: 'WAITING', resources_available: true, theirs: {a: 1}, deployments: {}});
    await ask('PATCH', path(id), {headers, body: {status: 'RUNNING', deployments: null}});
    expect(await get(pbStateKey(id))).toEqual({
      ...{status: 'RUNNING', resources_available: true, theirs: {a: 1}, last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)},
    });
    const read = await ask('GET', path(id));
    const {resources_available: _, theirs: __, ...whole} = read.body;
    const replaced = await ask('PUT', path(id), {headers, body: {...whole, status: 'RUNNING', error_messages: {x: 'y'}}});
    expect(replaced.body).toMatchObject({status: 'RUNNING', resources_available: true, error_messages: {x: 'y'}});
    expect(replaced.body).not.toHaveProperty('theirs');
  });

  test('is not written over what somebody else has written meanwhile, where an ETag says what it rests on', async () => {
    const id = await newPb();
    const headers = await claim(id);
    const tag = (await ask('GET', path(id))).headers.get('etag') as string;
    const next = await ask('PATCH', path(id), {headers: {...headers, 'if-match': tag}, body: {status: 'WAITING'}});
    expect(next.status).toBe(200);
    expect(await refused('PUT', path(id), {headers: {...headers, 'if-match': tag}, body: {status: 'RUNNING'}})).toMatch(/^409 the state has changed/);
    const newer = {...headers, 'if-match': next.headers.get('etag') as string};
    expect((await ask('PUT', path(id), {headers: newer, body: {status: 'RUNNING'}})).status).toBe(200);
    expect(await refused('PATCH', path(id), {headers: {...headers, 'if-match': 'x'}, body: {status: 'RUNNING'}})).toMatch(/^400 If-Match/);
  });

  test('resources_available and STARTING are the controller’s alone', async () => {
    const id = await newPb();
    const headers = await claim(id);
    expect(await refused('PATCH', path(id), {headers, body: {resources_available: true}})).toMatch(/^403 resources_available: /);
    expect(await refused('PUT', path(id), {headers, body: {status: 'WAITING', resources_available: true}})).toMatch(/^403 resources_available: /);
    await ask('PATCH', path(id), {headers, body: {status: 'WAITING', resources_available: false}});
    expect(await refused('PATCH', path(id), {headers, body: {status: 'STARTING'}})).toBe('403 status: the processing controller alone says STARTING');
  });

  test.each(['FINISHED', 'FAILED', 'CANCELLED'])('%s is final; saying it again writes nothing', async (status) => {
    const id = await newPb();
    const headers = await claim(id);
    await ask('PATCH', path(id), {headers, body: {status, reason: 'done'}});
    const before = await ask('GET', path(id));
    expect((await ask('PATCH', path(id), {headers, body: {status, reason: 'done'}})).status).toBe(200);
    expect((await ask('GET', path(id))).headers.get('etag')).toBe(before.headers.get('etag'));
    expect(await refused('PATCH', path(id), {headers, body: {status: 'RUNNING'}})).toBe(`409 the processing block is ${status}, which is final`);
    expect(await refused('PATCH', path(id), {headers, body: {reason: 'other'}})).toMatch(/^409 /);
  });

  test('without a claim it can only be cancelled', async () => {
    const id = await newPb();
    expect(await refused('PATCH', path(id), {body: {status: 'RUNNING'}})).toMatch(
      /^409 whoever has not claimed the processing block may only cancel it/,
    );
    expect(await refused('PATCH', path(id), {body: {status: 'CANCELLED', deployments: {}}})).toMatch(/^409 /);
    expect(await refused('PUT', path(id), {body: {status: 'CANCELLED'}})).toMatch(/^409 /);
    await claim(id);
    const {body} = await ask('PATCH', path(id), {body: {status: 'CANCELLED', reason: 'clouds'}});
    expect(body).toMatchObject({status: 'CANCELLED', reason: 'clouds', resources_available: false});
  });

  test('that nobody has picked up yet can be cancelled, and be written by nobody else', async () => {
    const id = (await ask('POST', '/pb', {body: {script: SCRIPT}})).body.id as string;
    expect(await refused('GET', path(id))).toBe(`404 processing block ${id} has no state yet`);
    const headers = await claim(id);
    expect(await refused('PATCH', path(id), {headers, body: {status: 'WAITING'}})).toMatch(/^409 the processing controller has not picked/);
    expect((await ask('PATCH', path(id), {body: {status: 'CANCELLED'}})).body).toMatchObject({status: 'CANCELLED'});
  });

  test('of a block that was removed is not taken for that of its successor', async () => {
    const id = await newPb();
    const former = await claim(id);
    // By hand, so that the state and the claim stay.
    const block = await get(pbKey(id));
    await remove(pbKey(id));
    await put(pbKey(id), block);
    expect(await refused('PATCH', path(id), {body: {status: 'CANCELLED'}})).toMatch(/^409 what is stored is the state of a processing block/);
    await remove(pbStateKey(id));
    await put(pbStateKey(id), {status: 'STARTING', resources_available: false});
    expect(await refused('PATCH', path(id), {headers: former, body: {status: 'WAITING'}})).toMatch(/^409 this claim/);
  });

  test.each<[Record<string, unknown>, string]>([
    [{status: 'DONE'}, "400 status: must be one of: 'STARTING', 'WAITING'"],
    [{status: 'WAITING', deployments: []}, '400 deployments: must be type'],
    [{}, '400 the body: must have at least 1 entries'],
    [{status: null}, '400 status: must be one of'],
    [{receive_addresses: [{}]}, '400 '],
  ])('refuses %j', async (body, reason) => {
    const id = await newPb();
    expect(await refused('PATCH', path(id), {headers: await claim(id), body})).toContain(reason);
  });

  test('a write is refused once its claim is gone, also when it goes while it is on its way', async () => {
    const id = await newPb();
    const headers = await claim(id);
    expect(await refused('PATCH', path(id), {headers: {'owner-revision': '7'}, body: {status: 'WAITING'}})).toMatch(
      /^409 this claim of processing block/,
    );
    expect(await refused('PATCH', path(id), {headers: {'owner-revision': 'x'}, body: {status: 'WAITING'}})).toMatch(/^400 Owner-Revision/);
    expect((await ask('DELETE', `/pb/${id}/owner`, {headers})).status).toBe(200);
    expect(await refused('PATCH', path(id), {headers, body: {status: 'WAITING'}})).toBe(
      `409 this claim of processing block ${id} is gone: somebody else owns it, or nobody`,
    );
    const next = await claim(id);
    expect(next).not.toEqual(headers);
    expect(await refused('PATCH', path(id), {headers, body: {status: 'WAITING'}})).toMatch(/^409 this claim/);
    expect((await ask('PATCH', path(id), {headers: next, body: {status: 'WAITING'}})).status).toBe(200);
    // A claim that goes in the same moment as the write comes: never both.
    const [written] = await Promise.all([ask('PATCH', path(id), {headers: next, body: {status: 'RUNNING'}}), remove(pbOwnerKey(id))]);
    expect([200, 409]).toContain(written.status);
    expect((await get(pbStateKey(id))).status).toBe(written.status === 200 ? 'RUNNING' : 'WAITING');
  });

  test('receive addresses become known in the execution block with the state, and go with it', async () => {
    const eb = (await ask('POST', '/eb', {body: {processing_blocks: [{script: REALTIME}]}})).body;
    const id = eb.spec.pb_realtime[0] as string;
    await put(pbStateKey(id), {status: 'STARTING', resources_available: true});
    const headers = await claim(id);
    const addresses = [{scan_type_id: 'science', vis0: {host: [[0, '10.0.0.1']]}}];
    await ask('PATCH', path(id), {headers, body: {status: 'WAITING'}});
    expect((await get(ebKey(eb.id))).pb_receive_addresses).toBeNull();
    await ask('PATCH', path(id), {headers, body: {status: 'RUNNING', receive_addresses: addresses}});
    const [stored, state] = [await revisionOf(ebKey(eb.id)), await revisionOf(pbStateKey(id))];
    expect(stored).toBe(state);
    expect((await get(ebKey(eb.id))).pb_receive_addresses).toBe(id);
    await ask('PATCH', path(id), {headers, body: {error_messages: {}}});
    expect(await revisionOf(ebKey(eb.id))).toBe(stored);
    await ask('PATCH', path(id), {headers, body: {receive_addresses: null}});
    expect((await get(ebKey(eb.id))).pb_receive_addresses).toBeNull();
  });
});

describe('owning a processing block', () => {
  const owner = (id: string): string => `/pb/${id}/owner`;

  test('a claim is a leased key that says who; its revision proves it', async () => {
    const id = await newPb();
    expect(await refused('GET', owner(id))).toBe(`404 nobody owns processing block ${id}`);
    const {status, body} = await ask('POST', owner(id), {body: {...CLAIM, ttl_seconds: 60}});
    expect([status, body.ttl_seconds]).toEqual([201, 60]);
    const entry = await blocks.api.store.get(pbOwnerKey(id));
    expect([entry?.createRevision, entry?.lease === '0']).toEqual([body.owner_revision, false]);
    const seen = (await ask('GET', owner(id))).body;
    expect(seen).toEqual({...{command: CLAIM.command, hostname: 'node-1', pid: 42, since: expect.any(String)}, owner_revision: body.owner_revision});
    expect(await refused('POST', owner(id), {body: CLAIM})).toBe(`409 processing block ${id} is owned by process 42 on node-1 since ${seen.since}`);
  });

  test('of many that claim at once one is the owner', async () => {
    const id = await newPb();
    const answers = await Promise.all(Array.from({length: 10}, (_, pid) => ask('POST', owner(id), {body: {...CLAIM, pid}})));
    expect(answers.map(({status}) => status).sort((a, b) => a - b)).toEqual([201, ...Array(9).fill(409)]);
  });

  test('who repeats a claim with its own random id gets the claim that it has', async () => {
    const id = await newPb();
    const body = {...CLAIM, claimant: 'a-random-id-of-the-claimant'};
    const first = await ask('POST', owner(id), {body});
    const again = await ask('POST', owner(id), {body});
    expect([first.status, again.status, again.body.owner_revision]).toEqual([201, 200, first.body.owner_revision]);
    expect((await ask('GET', owner(id))).body).not.toHaveProperty('replica');
    expect(await refused('POST', owner(id), {body: {...body, claimant: 'a-random-id-of-another'}})).toMatch(/^409 /);
  });

  test('a claim that is renewed outlives its TTL; one that is not ends by itself', async () => {
    const [kept, left] = [await newPb(), await newPb()];
    const headers = await claim(kept, 2);
    const stale = await claim(left, 2);
    await eventually(
      async () => {
        expect((await ask('PUT', owner(kept), {headers})).body).toEqual({owner_revision: Number(headers['owner-revision']), ttl_seconds: 2});
        return (await get(pbOwnerKey(left))) === undefined;
      },
      {timeoutMs: 10_000, everyMs: 300},
    );
    expect(await refused('PUT', owner(left), {headers: stale})).toMatch(/^409 this claim of processing block/);
    expect((await ask('PUT', owner(kept), {headers})).status).toBe(200);
    expect((await get(pbStateKey(left))).status).toBe('STARTING');
  });

  test('a released claim can be taken by another, and is worth nothing to the former owner', async () => {
    const id = await newPb();
    const headers = await claim(id);
    expect(await ask('DELETE', owner(id), {headers})).toMatchObject({status: 200, body: {}});
    expect(await refused('DELETE', owner(id), {headers})).toMatch(/^409 this claim/);
    await claim(id);
    expect(await refused('DELETE', owner(id), {headers})).toMatch(/^409 this claim/);
    expect(await refused('PUT', owner(id), {headers})).toMatch(/^409 this claim/);
    expect((await ask('GET', owner(id))).status).toBe(200);
  });

  test('a claim without a lease, put by hand, cannot be renewed', async () => {
    const id = await newPb();
    const revision = await put(pbOwnerKey(id), {hostname: 'h', pid: 1});
    expect(await refused('PUT', owner(id), {headers: {'owner-revision': String(revision)}})).toMatch(/^409 .* was made without a lease/);
    expect(await refused('POST', owner(id), {body: CLAIM})).toBe(`409 processing block ${id} is owned by process 1 on h`);
  });

  test('what is over, or not there, cannot be claimed', async () => {
    const id = await newPb({}, {status: 'FINISHED'});
    expect(await refused('POST', owner(id), {body: CLAIM})).toBe(`409 processing block ${id} is FINISHED: there is nothing left to own`);
    expect(await refused('POST', owner('pb-none'), {body: CLAIM})).toBe('404 there is no processing block pb-none');
  });

  test.each<[Record<string, unknown>, string]>([
    [{ttl_seconds: 1}, '400 ttl_seconds: must be at least 2'],
    [{ttl_seconds: 3601}, '400 ttl_seconds: must be no more than 3600'],
    [{pid: 'x'}, '400 pid: must be type'],
    [{hostname: ''}, '400 hostname: must be at least 1 characters long'],
    [{claimant: 'short'}, '400 claimant: must match the pattern'],
    [{more: 1}, '400 more: is not known here'],
  ])('refuses a claim with %j', async (more, reason) => {
    expect(await refused('POST', owner(await newPb()), {body: {...CLAIM, ...more}})).toContain(reason);
  });
});
