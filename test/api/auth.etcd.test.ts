import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest';
import {anyOf} from '../../src/api/auth/authenticator.ts';
import {Oidc} from '../../src/api/auth/oidc.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {newJobToken} from '../../src/schema/job-token.ts';
import {SCAN_BODY, startApi} from './harness.ts';
import type {Answer, TestApi} from './harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {logLines} from '../support/log-lines.ts';
import {OidcProvider, SYSTEM_CLAIMS, USER_CLAIMS} from '../support/oidc-provider.ts';

const logged = logLines();

let etcd: TestEtcd;
let provider: OidcProvider;
let api: TestApi;
let open: TestApi;
let user: string;
let id: string;

const oidc = (): Oidc => new Oidc({openidUrl: provider.url, audience: 'skydriver', algorithms: ['RS256']}, systemClock, logged.log);

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  provider = await OidcProvider.start();
  api = await startApi(etcd.endpoint, {}, {authenticator: anyOf([oidc()]), log: logged.log});
  open = await startApi(etcd.endpoint);
  user = await provider.token({claims: USER_CLAIMS});
});
afterAll(async () => {
  await api.stop();
  await open.stop();
  await provider.stop();
  await etcd.stop();
});
beforeEach(async () => {
  id = (await api.ask('POST', '/scan', {body: SCAN_BODY, token: user})).body.scan_id as string;
});

const patch = (token: string, by = api): Promise<Answer> => by.ask('PATCH', `/scan/${id}/manifest`, {body: {scan_metadata: {a: 1}}, token});

test('a scan remembers who asked for it', async () => {
  await api.cache.catchUp();
  expect(api.cache.scans.get(id)?.spec?.value.user).toBe('ada');
});

test('who says nothing is refused before anything else is looked at, but not told apart from others where there is no such path', async () => {
  expect(await api.ask('POST', '/scan', {body: '{'})).toMatchObject({status: 403, reason: 'authentication failed'});
  expect(await api.ask('GET', '/scan/unknown/manifest')).toMatchObject({status: 403, reason: 'authentication failed'});
  expect((await api.ask('GET', '/no/such/path')).status).toBe(404);
});

test('a scanner reports with the token of its newest try, even to a replica that has only just heard of it', async () => {
  for (let round = 0; round < 10; round++) {
    const token = newJobToken(id);
    await api.putServerJob(id, [token]);
    expect((await patch(token)).status).toBe(200);
  }
});

test('a scanner’s token is worth nothing on another scan, nor where there is no scan, with authentication and without', async () => {
  const token = newJobToken(id);
  await api.putServerJob(id, [token]);
  const other = (await api.ask('POST', '/scan', {body: SCAN_BODY, token: user})).body.scan_id as string;
  for (const by of [api, open]) {
    await by.cache.catchUp();
    for (const [method, path] of [
      ['GET', '/'],
      ['POST', '/scan'],
      ['GET', `/scan/${other}/manifest`],
      ['PATCH', `/scan/${other}/manifest`],
      ['PUT', `/scan/${other}/result`],
    ] as const) {
      expect(await by.ask(method, path, {token, body: {}}), `${method} ${path}`).toMatchObject({status: 403, reason: 'authorization failed'});
    }
    expect((await by.ask('GET', `/scan/${id}/status`, {token})).status).toBe(200);
  }
});

test('with the provider away known keys go on counting, unknown ones are put off with one line in the log', async () => {
  const later = await startApi(etcd.endpoint, {}, {authenticator: oidc(), log: logged.log});
  try {
    const token = newJobToken(id);
    await api.putServerJob(id, [token]);
    await api.ask('GET', '/', {token: user});
    await provider.goAway();
    const before = logged.lines.length;
    for (let i = 0; i < 5; i++) {
      const put = await later.ask('GET', '/', {token: user});
      expect(put).toMatchObject({status: 503, reason: 'identity provider is away', body: {code: 503, error: 'identity provider is away'}});
      expect(Number(put.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await api.ask('GET', '/', {token: user})).status).toBe(200);
    expect((await api.ask('GET', '/', {token: await provider.token({claims: USER_CLAIMS})})).status).toBe(200);
    expect((await patch(token, later)).status).toBe(200); // Scanners need no provider.
    expect((await later.ask('GET', '/', {token: 'junk'})).status).toBe(403);
    const worthALine = logged.lines.slice(before).filter(({level}) => Number(level) >= 40);
    expect(worthALine.map(({msg}) => msg)).toEqual([expect.stringMatching('identity provider cannot be used')]);
    await provider.comeBack();
    await eventually(async () => (await later.ask('GET', '/', {token: user})).status === 200);
  } finally {
    await later.stop();
  }
});

test('no token reaches the log', async () => {
  const token = newJobToken(id);
  await patch(token);
  await patch(`${user}x`);
  for (const secret of [token, user]) expect(logged.text()).not.toContain(secret.split('.').at(-1));
});

// The last one: etcd does not come back.
test('with etcd away a token that may be newer than what is known is put off and not refused, since a refused scanner ends', async () => {
  const known = newJobToken(id);
  await api.putServerJob(id, [known]);
  await api.cache.catchUp();
  const service = await provider.token({claims: SYSTEM_CLAIMS});
  await etcd.kill();
  const ask = (token: string): Promise<Answer> => api.ask('GET', `/scan/${id}/status`, {token});
  expect((await ask(newJobToken(id))).status).toBe(503);
  expect(await ask('junk')).toMatchObject({status: 403, reason: 'authentication failed'});
  for (const token of [known, service, user]) expect((await ask(token)).status).toBe(200);
});
