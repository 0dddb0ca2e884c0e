import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {routeTable} from '../../../src/api/app.ts';
import {Oidc} from '../../../src/api/auth/oidc.ts';
import type {Role} from '../../../src/api/auth/roles.ts';
import type {RouteDeps} from '../../../src/api/deps.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {newJobToken} from '../../../src/schema/job-token.ts';
import {startApi, SCAN_BODY} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {BOTH_CLAIMS, OidcProvider, USER_CLAIMS} from '../../support/oidc-provider.ts';

/** Who may call what in version 1, and the status with which a request without arguments is answered. @see SkyDriver 1.3.2, README */
const V1: Readonly<Record<string, readonly [readonly Role[], number]>> = {
  'GET /': [['user'], 200],
  'POST /scans/find': [['user'], 400],
  'GET /scans/backlog': [['user'], 200],
  'POST /scan': [['user'], 400],
  'POST /scan/:id/actions/rescan': [['user'], 200],
  'GET /scan/:id': [['user', 'system'], 200],
  'DELETE /scan/:id': [['user'], 200],
  'GET /scan/:id/manifest': [['user', 'system'], 200],
  'PATCH /scan/:id/manifest': [['system'], 200],
  'GET /scan/:id/i3-event': [['user', 'system'], 200],
  'GET /scan/:id/result': [['user'], 200],
  'PUT /scan/:id/result': [['system'], 400],
  'GET /scan/:id/status': [['user', 'system'], 200],
  'GET /scan/:id/logs': [['user'], 200],
};

/** The same in version 0. @see SkyDriver 0.0.73, README */
const V0: typeof V1 = {
  'GET /': [['user'], 200],
  'GET /scans': [['user'], 400],
  'POST /scan': [['user'], 400],
  'GET /scan/manifest/:id': [['user', 'system'], 200],
  'DELETE /scan/manifest/:id': [['user'], 200],
  'PATCH /scan/manifest/:id': [['system'], 200],
  'GET /scan/result/:id': [['user'], 404],
  'DELETE /scan/result/:id': [['user'], 404],
  'PUT /scan/result/:id': [['system'], 400],
};

/** What these versions read roles from. */
const OLD_USER = {groups: ['/other', '/institutions/IceCube/UW-Madison'], preferred_username: 'ada'};
const OLD_SYSTEM = {skydriver_role: 'system'};

let etcd: TestEtcd;
let provider: OidcProvider;
let api: TestApi;
let id: string;

const tokens: Record<string, string> = {};

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  provider = await OidcProvider.start();
  const config = {openidUrl: provider.url, audience: 'skydriver', algorithms: ['RS256']};
  api = await startApi(etcd.endpoint, {}, {authenticator: new Oidc(config, systemClock, silentLog)});
  const both = {...OLD_USER, ...OLD_SYSTEM};
  Object.assign(tokens, {
    user: await provider.token({claims: OLD_USER}),
    system: await provider.token({claims: OLD_SYSTEM}),
    both: await provider.token({claims: both}),
    none: await provider.token(),
    stranger: await provider.token({claims: {groups: ['/institutions/Other', '/x/institutions/IceCube'], skydriver_role: 'user'}}),
    v2: await provider.token({claims: BOTH_CLAIMS}),
    expired: await provider.token({claims: both, expiresInSeconds: -3600}),
    foreign: await provider.token({claims: {...both, aud: 'somebody-else'}}),
    newcomer: await provider.token({claims: USER_CLAIMS}),
    junk: 'junk',
  });
  id = await newScan();
  const other = await newScan();
  Object.assign(tokens, {older: newJobToken(id), newest: newJobToken(id), other: newJobToken(other), unlaunched: newJobToken(id)});
  await api.putServerJob(id, [tokens['older'] as string, tokens['newest'] as string]);
  await api.putServerJob(other, [tokens['other'] as string]);
});
afterAll(async () => {
  await api.stop();
  await provider.stop();
  await etcd.stop();
});

const bearer = (name: string): Record<string, string> => ({authorization: `Bearer ${tokens[name]}`});
const refusal = (reason: string): object => ({status: 403, reason, body: {code: 403, error: reason}});

async function newScan(): Promise<string> {
  const {status, body} = await api.ask('POST', '/scan', {body: SCAN_BODY, headers: bearer('newcomer')});
  expect(status).toBe(200);
  return body.scan_id as string;
}

/** Asks without arguments. */
async function ask(prefix: string, route: string, headers: Record<string, string>, scanId = id): Promise<Answer> {
  const [method, path] = route.split(' ') as [string, string];
  return api.ask(method, prefix + path.replace(':id', scanId), {headers, ...(method === 'GET' ? {} : {body: {}})});
}

/** Each address of each route; version 0 answers at its own paths without its prefix too. */
const ADDRESSES = [
  ...Object.entries(V1).map(([route, [roles, status]]) => ['/v1', route, roles, status] as const),
  ...Object.entries(V0).map(([route, [roles, status]]) => ['/v0', route, roles, status] as const),
  ...Object.entries(V0)
    .filter(([route]) => /^\S+ (\/scans|\/scan\/(manifest|result)\/:id)$/.test(route))
    .map(([route, [roles, status]]) => ['', route, roles, status] as const),
];

test.each([
  ['v1', V1],
  ['v0', V0],
] as const)('case 60: every route of %s stands in its table of roles, and nothing else', (generation, table) => {
  const deps = {config: {publicAddress: ''}, clock: systemClock} as RouteDeps;
  const routes = routeTable(deps, generation).map(({method, path, roles}) => [`${method.toUpperCase()} ${path}`, roles] as const);
  expect(Object.fromEntries(routes)).toEqual(Object.fromEntries(Object.entries(table).map(([route, [roles]]) => [route, roles])));
});

describe.each(ADDRESSES)('case 60: "%s" %s', (prefix, route, roles, answered) => {
  test('is closed to who cannot say who it is', async () => {
    const before = await api.cache.catchUp();
    for (const headers of [{}, {authorization: 'Basic dTpw'}, ...['junk', 'expired', 'foreign', 'unlaunched'].map(bearer)]) {
      expect(await ask(prefix, route, headers), `${JSON.stringify(headers)}`).toMatchObject(refusal('authentication failed'));
    }
    expect(await api.cache.catchUp()).toBe(before);
  });

  test('is closed to who may not, among them whoever has these roles in version 2 alone', async () => {
    const before = await api.cache.catchUp();
    const others = [...(roles.includes('system') ? [] : ['system', 'newest']), ...(roles.includes('user') ? [] : ['user'])];
    for (const name of ['none', 'stranger', 'v2', 'older', 'other', ...others]) {
      expect(await ask(prefix, route, bearer(name)), `${name}`).toMatchObject(refusal('authorization failed'));
    }
    expect(await api.cache.catchUp()).toBe(before);
  });

  test('answers who may', async () => {
    const names = ['both', ...(roles.includes('system') ? ['system'] : []), ...(roles.includes('user') ? ['user'] : [])];
    // Some of it changes the scan, so each asks about one of its own.
    for (const name of names) expect((await ask(prefix, route, bearer(name), await newScan())).status, `${name}`).toBe(answered);
    if (roles.includes('system')) expect((await ask(prefix, route, bearer('newest'))).status, 'newest').toBe(answered);
  });
});

test('case 60: in version 1, who has both roles acts as the system where that may ask', async () => {
  const events: Record<string, unknown> = {};
  for (const name of ['user', 'system', 'both', 'newest']) {
    events[name] = (await ask('/v1', 'GET /scan/:id/manifest', bearer(name))).body.event_i3live_json_dict;
  }
  expect(events).toMatchObject({system: {a: 22}, both: {a: 22}, newest: {a: 22}});
  expect(events['user']).not.toMatchObject({a: 22});
});

test('case 60: the roles of version 1 are worth nothing in version 2', async () => {
  for (const prefix of ['', '/v2']) {
    for (const name of ['user', 'system', 'both']) {
      expect(await ask(prefix, 'GET /scan/:id/manifest', bearer(name)), `${name}`).toMatchObject(refusal('authorization failed'));
    }
  }
});

test('a scan asked for through an older version remembers who asked', async () => {
  const {scan_id: rescan} = (await ask('/v1', 'POST /scan/:id/actions/rescan', bearer('user'))).body as {scan_id: string};
  expect(api.cache.scans.get(rescan)?.spec?.value.user).toBe('ada');
});
