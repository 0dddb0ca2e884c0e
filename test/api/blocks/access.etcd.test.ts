import {beforeAll, describe, expect, test} from 'vitest';
import {everywhere} from '../../../src/api/auth/roles.ts';
import {deployKey, deployStateKey} from '../../../src/schema/keys.ts';
import {CLAIM, REALTIME, SCRIPT, blockApi, deploymentToken} from '../../support/block-api.ts';
import type {AskOptions} from '../../api/harness.ts';

const USER = 'token-of-a-user';
const blocks = blockApi({authenticator: {identify: async ({text}) => (text === USER ? {name: 'u', roles: everywhere(['user'])} : undefined)}});
const {get, put, remove, putDeployment} = blocks;
const as = (token: string): Pick<BlockCaller, 'ask' | 'refused'> => ({
  ask: (method, path, options) => blocks.ask(method, path, {token, ...options}),
  refused: (method, path, options) => blocks.refused(method, path, {token, ...options}),
});
type BlockCaller = typeof blocks;
const user = as(USER);

/** A processing block that has started, with the deployment of its script. */
interface Started {
  readonly id: string;
  readonly deployment: string;
  readonly token: string;
}

async function started(pbId: string, more: Record<string, unknown> = {}): Promise<Started> {
  expect((await user.ask('POST', '/pb', {body: {pb_id: pbId, script: SCRIPT, ...more}})).status).toBe(201);
  await put(`/pb/${pbId}/state`, {status: 'STARTING', resources_available: false});
  const deployment = `proc-${pbId}-script`;
  const token = deploymentToken(deployment);
  await putDeployment(deployment, [token], {pb_id: pbId});
  return {id: pbId, deployment, token};
}

let own: Started;
let other: Started;

beforeAll(async () => {
  own = await started('pb-own');
  other = await started('pb-own-2');
});

describe('the token of a deployment', () => {
  test('reads all blocks, scripts and deployments, and nothing else', async () => {
    const {ask, refused} = as(own.token);
    for (const path of ['/eb', '/pb', '/script', '/deploy', `/pb/${other.id}`, `/pb/${other.id}/state`, `/deploy/${other.deployment}`]) {
      expect((await ask('GET', path)).status, `${path}`).toBe(200);
    }
    for (const path of ['/', '/scans/backlog', '/scan/x/manifest']) expect(await refused('GET', path), `${path}`).toBe('403 authorization failed');
  });

  test('never shows what is stored of tokens', async () => {
    const text = JSON.stringify((await user.ask('GET', '/deploy')).body);
    expect(text).toContain('intent_at');
    expect(text).not.toContain('digest');
  });

  test('claims its own processing block and writes its state; of no other', async () => {
    const {ask, refused} = as(own.token);
    const claimed = await ask('POST', `/pb/${own.id}/owner`, {body: CLAIM});
    expect(claimed.status).toBe(201);
    const headers = {'owner-revision': String(claimed.body.owner_revision)};
    expect((await ask('PATCH', `/pb/${own.id}/state`, {headers, body: {status: 'WAITING'}})).status).toBe(200);
    expect((await ask('PUT', `/pb/${own.id}/owner`, {headers})).status).toBe(200);
    const reason = `403 deployment ${own.deployment} may write what belongs to processing block ${own.id} alone`;
    expect(await refused('POST', `/pb/${other.id}/owner`, {body: CLAIM})).toBe(reason);
    expect(await refused('PATCH', `/pb/${other.id}/state`, {headers, body: {status: 'WAITING'}})).toBe(reason);
    expect(await refused('PUT', `/pb/${other.id}/owner`, {headers})).toBe(reason);
    expect(await refused('DELETE', `/pb/${other.id}/owner`, {headers})).toBe(reason);
    expect((await ask('DELETE', `/pb/${own.id}/owner`, {headers})).status).toBe(200);
  });

  test('cancels nothing without a claim, and makes, changes and removes no blocks and no scripts', async () => {
    const {refused} = as(own.token);
    expect(await refused('PATCH', `/pb/${own.id}/state`, {body: {status: 'CANCELLED'}})).toBe(
      '409 a script names its claim: Owner-Revision is missing',
    );
    const requests: [string, string, AskOptions?][] = [
      ['POST', '/pb', {body: {script: SCRIPT}}],
      ['DELETE', `/pb/${own.id}`],
      ['POST', '/eb', {body: {}}],
      ['POST', '/script', {body: {...SCRIPT, image: 'i'}}],
    ];
    for (const [method, path, options] of requests) expect(await refused(method, path, options), `${path}`).toBe('403 authorization failed');
  });

  test('makes receive addresses known in the execution block of its own', async () => {
    const eb = (await user.ask('POST', '/eb', {body: {eb_id: 'eb-of-own'}})).body.id as string;
    const receiver = await started('pb-recv', {eb_id: eb, script: REALTIME});
    const {ask} = as(receiver.token);
    const headers = {'owner-revision': String((await ask('POST', `/pb/${receiver.id}/owner`, {body: CLAIM})).body.owner_revision)};
    await ask('PATCH', `/pb/${receiver.id}/state`, {headers, body: {status: 'RUNNING', receive_addresses: {science: {}}}});
    expect((await ask('GET', `/eb/${eb}`)).body.spec.pb_receive_addresses).toBe(receiver.id);
    expect(await as(receiver.token).refused('PATCH', `/eb/${eb}`, {body: {status: 'FINISHED'}})).toBe('403 authorization failed');
  });

  test('makes, changes and removes deployments of its own processing block by name', async () => {
    const {ask, refused} = as(own.token);
    const id = `proc-${own.id}-engine`;
    const made = await ask('POST', '/deploy', {body: {id, type: 'job', args: {command: ['engine']}}});
    expect([made.status, made.body.spec.pb_id]).toEqual([201, own.id]);
    expect((await ask('PUT', `/deploy/${id}`, {body: {args: {command: ['engine', '-v']}}})).body.spec.args.command).toEqual(['engine', '-v']);
    expect((await ask('DELETE', `/deploy/${id}`)).status).toBe(200);
    const reason = `403 deployment ${own.deployment} may make, change and remove deployments proc-${own.id}-... of processing block ${own.id} alone`;
    const others: Record<string, unknown>[] = [
      {id: 'vis-receive'},
      {id: `proc-${other.id}-engine`},
      {id, pb_id: other.id},
      {id: 'proc-pb-owner-x'},
      {id: `proc-${own.id}`},
    ];
    for (const body of others) expect(await refused('POST', '/deploy', {body: {type: 'job', ...body}}), `${JSON.stringify(body)}`).toBe(reason);
    expect(await refused('DELETE', `/deploy/${other.deployment}`)).toBe(reason);
    expect(await refused('PUT', `/deploy/${other.deployment}`, {body: {args: {}}})).toBe(reason);
  });

  test('is worth nothing once its process has been replaced, or its deployment', async () => {
    const [older, newest] = [deploymentToken(own.deployment), deploymentToken(own.deployment)];
    await putDeployment(own.deployment, [older, newest], {pb_id: own.id});
    expect((await as(newest).ask('GET', '/pb')).status).toBe(200);
    expect(await as(older).refused('GET', '/pb')).toBe('403 authorization failed');
    expect(await as(own.token).refused('GET', '/pb')).toBe('403 authentication failed');
    expect(await as(deploymentToken('proc-nowhere')).refused('GET', '/pb')).toBe('403 authentication failed');
    // The same name again, its state still that of the one before.
    const value = await get(deployKey(own.deployment));
    await remove(deployKey(own.deployment));
    expect(await as(newest).refused('GET', '/pb')).toBe('403 authorization failed');
    await put(deployKey(own.deployment), value);
    expect(await as(newest).refused('GET', '/pb')).toBe('403 authorization failed');
  });

  test('of a deployment without a processing block only reads', async () => {
    const token = deploymentToken('loose');
    await putDeployment('loose', [token]);
    const {ask, refused} = as(token);
    expect((await ask('GET', '/deploy/loose')).status).toBe(200);
    expect(await refused('POST', `/pb/${other.id}/owner`, {body: CLAIM})).toBe('403 deployment loose belongs to no processing block');
    expect(await refused('POST', '/deploy', {body: {id: 'x', type: 'job'}})).toBe('403 deployment loose belongs to no processing block');
  });
});

describe('deployments and scripts', () => {
  test('a deployment is made, changed and removed; its state stays until nothing runs any more', async () => {
    const body = {id: 'dep-1', type: 'job', args: {command: ['sleep', '1']}, more: 'kept'};
    expect(await user.ask('POST', '/deploy', {body})).toMatchObject({status: 201, body: {id: 'dep-1', spec: body, state: null, owner: null}});
    expect(await user.refused('POST', '/deploy', {body})).toBe('409 deployment dep-1 exists already');
    expect((await user.ask('PUT', '/deploy/dep-1', {body: {...body, args: {}}})).body.spec).toEqual({...body, args: {}});
    expect(await user.refused('PUT', '/deploy/dep-1', {body: {type: 'helm', args: {}}})).toBe('400 type: cannot be changed');
    await put(deployStateKey('dep-1'), {status: 'RUNNING'});
    expect((await user.ask('DELETE', '/deploy/dep-1')).body).toMatchObject({id: 'dep-1', state: {status: 'RUNNING'}});
    expect(await get(deployKey('dep-1'))).toBeUndefined();
    expect(await get(deployStateKey('dep-1'))).toBeDefined();
  });

  test.each<[Record<string, unknown>, string]>([
    [{id: 'a.b', type: 'job'}, '400 id: must match the pattern'],
    [{id: 'a'.repeat(97), type: 'job'}, '400 id: must match the pattern'],
    [{id: 'd', type: 'terraform'}, "400 type: must be one of: 'job', 'helm'"],
    [{id: 'd', type: 'job', args: {command: 'x'}}, '400 deployment: args.command must be array'],
    [{id: 'd', type: 'job', pb_id: 'pb-none'}, '400 pb_id: there is no processing block pb-none'],
    [{type: 'job'}, '400 id: is missing'],
  ])('a deployment %j is refused', async (body, reason) => {
    expect(await user.refused('POST', '/deploy', {body})).toContain(reason);
  });

  test('the args of a chart are its own', async () => {
    const body = {id: 'chart-1', type: 'helm', args: {chart: 'x', values: {a: 1}, count: 'many'}};
    expect(await user.ask('POST', '/deploy', {body})).toMatchObject({status: 201, body: {spec: body}});
  });

  test('a script is registered, replaced and removed; another version stays', async () => {
    const body = {kind: 'batch', name: 'reg', version: '0.2.1', image: 'reg:0.2.1', more: {x: 1}};
    expect(await user.ask('POST', '/script', {body})).toMatchObject({
      status: 201,
      body: {id: 'batch:reg:0.2.1', spec: {image: 'reg:0.2.1', more: {x: 1}}},
    });
    await user.ask('POST', '/script', {body: {...body, version: '0.2.10'}});
    expect(await user.refused('POST', '/script', {body})).toBe('409 script batch:reg:0.2.1 exists already');
    expect((await user.ask('PUT', '/script/batch:reg:0.2.1', {body: {command: ['x']}})).body.spec).toEqual({command: ['x']});
    expect((await user.ask('DELETE', '/script/batch:reg:0.2.1')).status).toBe(200);
    expect((await user.ask('GET', '/script?name=reg')).body.scripts.map(({id}: {id: string}) => id)).toEqual(['batch:reg:0.2.10']);
    expect((await user.ask('GET', '/script?name=re')).body.scripts).toEqual([]);
    expect(await user.refused('GET', '/script/batch:reg')).toBe('404 there is no script batch:reg');
    expect(await user.refused('POST', '/script', {body: {...body, image: undefined}})).toMatch(/^400 /);
    expect(await user.refused('PUT', '/script/batch:none:1', {body: {image: 'x'}})).toBe('404 there is no script batch:none:1');
  });
});

test('the token of a deployment of a block that was removed claims no later block of that name', async () => {
  const former = await started('pb-former');
  expect((await user.ask('DELETE', '/pb/pb-former')).status).toBe(200);
  expect((await user.ask('POST', '/pb', {body: {pb_id: 'pb-former', script: SCRIPT}})).status).toBe(201);
  const {ask, refused} = as(former.token);
  expect(await refused('POST', '/pb/pb-former/owner', {body: CLAIM})).toBe(
    '403 deployment proc-pb-former-script was made for a processing block pb-former that was removed',
  );
  // Put there by hand in another order, as a backup may be, it is this one's.
  await put('/pb/pb-former/state', {status: 'STARTING', resources_available: false});
  expect((await ask('POST', '/pb/pb-former/owner', {body: CLAIM})).status).toBe(201);
});
