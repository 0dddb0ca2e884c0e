import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {routeTable} from '../../../src/api/app.ts';
import {Oidc} from '../../../src/api/auth/oidc.ts';
import type {Role} from '../../../src/api/auth/roles.ts';
import type {RouteDeps} from '../../../src/api/deps.ts';
import {k8sJobSettings, loadConfig} from '../../../src/config.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {newJobToken} from '../../../src/schema/job-token.ts';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {BOTH_CLAIMS, OidcProvider, SYSTEM_CLAIMS, USER_CLAIMS, newSigningKey} from '../../support/oidc-provider.ts';

/** Who may call what. @see SkyDriver 2.x, its table of routes; what is not SkyDriver's asks nobody */
const MATRIX: Readonly<Record<string, readonly Role[]>> = {
  'GET /': ['user'],
  'POST /scans/find': ['user'],
  'GET /scans/backlog': ['user'],
  'POST /scan': ['user'],
  'GET /scan-request/:id': ['user'],
  'POST /scan/:id/actions/rescan': ['user', 'system'],
  'POST /scan/:id/actions/add-workers': ['user'],
  'GET /scan/:id': ['user', 'system'],
  'DELETE /scan/:id': ['user'],
  'GET /scan/:id/manifest': ['user', 'system'],
  'PATCH /scan/:id/manifest': ['system'],
  'GET /scan/:id/i3-event': ['user', 'system'],
  'GET /scan/:id/result': ['user'],
  'PUT /scan/:id/result': ['system'],
  'GET /scan/:id/status': ['user', 'system'],
  'GET /scan/:id/logs': ['user'],
  'GET /scan/:id/ewms/workflow-id': ['user', 'system'],
  'POST /scan/:id/ewms/workflow-id': ['system'],
  'GET /scan/:id/ewms/workforce': ['user', 'system'],
  'GET /scan/:id/ewms/taskforces': ['user', 'system'],
  'GET /scan/:id/k8s-job': ['user'],
  // What is ours.
  'GET /eb': ['user'],
  'POST /eb': ['user'],
  'GET /eb/:eb': ['user'],
  'PATCH /eb/:eb': ['user'],
  'DELETE /eb/:eb': ['user'],
  'GET /pb': ['user'],
  'POST /pb': ['user'],
  'GET /pb/:pb': ['user'],
  'DELETE /pb/:pb': ['user'],
  'GET /pb/:pb/state': ['user'],
  'PUT /pb/:pb/state': ['user'],
  'PATCH /pb/:pb/state': ['user'],
  'GET /pb/:pb/owner': ['user'],
  'POST /pb/:pb/owner': ['user'],
  'PUT /pb/:pb/owner': ['user'],
  'DELETE /pb/:pb/owner': ['user'],
  'GET /script': ['user'],
  'POST /script': ['user'],
  'GET /script/:script': ['user'],
  'PUT /script/:script': ['user'],
  'DELETE /script/:script': ['user'],
  'GET /deploy': ['user'],
  'POST /deploy': ['user'],
  'GET /deploy/:deploy': ['user'],
  'PUT /deploy/:deploy': ['user'],
  'DELETE /deploy/:deploy': ['user'],
  'GET /livez': [],
  'GET /readyz': [],
  'GET /metrics': [],
  'GET /openapi.json': [],
  'GET /docs': [],
};
const SCANNERS_ROUTES = Object.entries(MATRIX).filter(([, roles]) => roles.length > 0);

let etcd: TestEtcd;
let provider: OidcProvider;
let api: TestApi;
let id: string;
let event: unknown;

const tokens: Record<string, string> = {};

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  provider = await OidcProvider.start();
  const config = {openidUrl: provider.url, audience: 'skydriver', algorithms: ['RS256']};
  api = await startApi(etcd.endpoint, {k8sJob: k8sJobSettings(loadConfig({}))}, {authenticator: new Oidc(config, systemClock, silentLog)});
  Object.assign(tokens, {
    user: await provider.token({claims: USER_CLAIMS}),
    system: await provider.token({claims: SYSTEM_CLAIMS}),
    both: await provider.token({claims: BOTH_CLAIMS}),
    none: await provider.token(),
    v1: await provider.token({claims: {groups: ['/institutions/IceCube'], skydriver_role: 'system'}}),
    expired: await provider.token({claims: BOTH_CLAIMS, expiresInSeconds: -3600}),
    foreign: await provider.token({claims: {...BOTH_CLAIMS, aud: 'somebody-else'}}),
    forged: await provider.token({claims: BOTH_CLAIMS, key: await newSigningKey(), keyId: 'key-1'}),
    junk: 'junk',
  });
  const newScan = async (): Promise<string> =>
    (await api.ask('POST', '/scan', {body: SCAN_BODY, token: tokens['user'] as string})).body.scan_id as string;
  id = await newScan();
  const other = await newScan();
  Object.assign(tokens, {older: newJobToken(id), newest: newJobToken(id), other: newJobToken(other), unlaunched: newJobToken(id)});
  await api.putServerJob(id, [tokens['older'] as string, tokens['newest'] as string]);
  await api.putServerJob(other, [tokens['other'] as string]);
  event = SCAN_BODY.event_i3live_json;
  await putBlocks();
});
afterAll(async () => {
  await api.stop();
  await provider.stop();
  await etcd.stop();
});

const BLOCKS: Readonly<Record<string, string>> = {eb: 'eb-1', pb: 'pb-1', script: 'batch:s:1', deploy: 'd-1'};

/** One object of each kind, for routes that ask for one. */
async function putBlocks(): Promise<void> {
  const script = {kind: 'batch', name: 's', version: '1'};
  const values: Readonly<Record<string, unknown>> = {
    '/eb/eb-1': {eb_id: 'eb-1'},
    '/pb/pb-1': {pb_id: 'pb-1', eb_id: 'eb-1', script},
    '/pb/pb-1/state': {status: 'WAITING'},
    '/pb/pb-1/owner': {hostname: 'h', pid: 1},
    '/script/batch:s:1': {image: 'i'},
    '/deploy/d-1': {id: 'd-1', type: 'helm', args: {}},
  };
  await api.store.commit({compares: [], ops: Object.entries(values).map(([put, value]) => ({put, value: JSON.stringify(value)}))});
}

/** Asks without a body that would be accepted, so that a caller with the right to write leaves no trace but where no body is needed. */
async function ask(route: string, headers: Record<string, string>): Promise<Answer> {
  const [method, path] = route.split(' ') as [string, string];
  return api.ask(
    method,
    path.replace(/:(\w+)/, (_, name: string) => BLOCKS[name] ?? id),
    {headers, ...(method === 'GET' ? {} : {body: '{"no such": 1, "status": 1}'})},
  );
}
const bearer = (name: string): Record<string, string> => ({authorization: `Bearer ${tokens[name]}`, 'content-type': 'application/json'});
const refusal = (reason: string): unknown => ({status: 403, reason, body: {code: 403, error: reason}});

test('case 60: every route of the API stands in the table of roles, and nothing else', () => {
  const deps = {config: {publicAddress: '', k8sJob: {}}, clock: systemClock} as unknown as RouteDeps;
  const table = routeTable(deps, 'v2').map(({method, path, roles}) => [`${method.toUpperCase()} ${path}`, roles] as const);
  expect(Object.fromEntries(table)).toEqual(MATRIX);
});

describe.each(SCANNERS_ROUTES)('case 60: %s', (route, roles) => {
  test('tells no one who cannot say who it is', async () => {
    const before = await api.cache.catchUp();
    const credentials = [
      {},
      {authorization: ''},
      {authorization: 'Basic dTpw'},
      {authorization: 'Bearer'},
      {authorization: `Token ${tokens['user']}`},
    ];
    const names = ['junk', 'expired', 'foreign', 'forged', 'unlaunched'];
    for (const headers of [...credentials, ...names.map(bearer)]) {
      expect(await ask(route, headers), `${JSON.stringify(headers)}`).toMatchObject(refusal('authentication failed') as object);
    }
    expect(await api.cache.catchUp()).toBe(before);
  });

  test('tells no one who may not know', async () => {
    const before = await api.cache.catchUp();
    const names = [
      'none',
      'v1',
      'older',
      'other',
      ...(roles.includes('system') ? [] : ['system', 'newest']),
      ...(roles.includes('user') ? [] : ['user']),
    ];
    for (const name of names) expect(await ask(route, bearer(name)), `${name}`).toMatchObject(refusal('authorization failed') as object);
    expect(await api.cache.catchUp()).toBe(before);
  });

  test('answers who may ask', async () => {
    const names = ['both', ...(roles.includes('system') ? ['system', 'newest'] : []), ...(roles.includes('user') ? ['user'] : [])];
    for (const name of names) {
      const {status} = await ask(route, bearer(name));
      expect(status, `${name}`).toBe(route.startsWith('GET ') ? 200 : 400);
    }
  });
});

test('case 60: who has both roles acts as the system where that may ask', async () => {
  const events: Record<string, unknown> = {};
  for (const name of ['user', 'system', 'both', 'newest']) {
    events[name] = (await ask('GET /scan/:id/manifest', bearer(name))).body.event_i3live_json_dict;
  }
  expect(events).toEqual({user: "use 'i3_event_id'", system: event, both: event, newest: event});
});

test('case 60: a service with the role system may report for any scan', async () => {
  const fresh = (await api.ask('POST', '/scan', {body: SCAN_BODY, token: tokens['user'] as string})).body.scan_id as string;
  const body = {workflow_id: 'wf-1', ewms_address: 'https://ewms.example'};
  expect(await api.ask('POST', `/scan/${fresh}/ewms/workflow-id`, {body, token: tokens['system'] as string})).toMatchObject({
    status: 200,
    body: {ewms_workflow_id: 'wf-1'},
  });
});

test('what is not SkyDriver’s is answered to everybody', async () => {
  for (const [route, roles] of Object.entries(MATRIX)) if (roles.length === 0) expect((await ask(route, {})).status, `${route}`).toBe(200);
});
