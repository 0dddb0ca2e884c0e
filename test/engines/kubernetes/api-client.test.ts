import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {ApiClient} from '../../../src/engines/kubernetes/api-client.ts';
import {loadInCluster, loadKubeconfig} from '../../../src/engines/kubernetes/client-config.ts';
import type {ClientConfig} from '../../../src/engines/kubernetes/client-config.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {ControlPlaneError, hasCode} from '../../../src/lib/errors.ts';
import type {ErrorCode} from '../../../src/lib/errors.ts';
import {FakeApi, refuse} from './fake-api.ts';

const LIMITS = {perSecond: 1000, burst: 1000, inFlight: 4};

let api: FakeApi;
let folder: string;

beforeEach(async () => {
  api = await new FakeApi().start();
  folder = await mkdtemp(join(tmpdir(), 'scanplane-k8s-'));
});
afterEach(async () => {
  await api.stop();
  await rm(folder, {recursive: true, force: true});
});

function aClient(load: () => Promise<ClientConfig> = () => Promise.resolve(api.config()), limits = LIMITS): ApiClient {
  return new ApiClient({load, limits, retryMs: 1, clock: systemClock});
}

async function errorOf(work: Promise<unknown>): Promise<ControlPlaneError> {
  const err = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(err).toBeInstanceOf(ControlPlaneError);
  return err as ControlPlaneError;
}

const FORBIDDEN_QUOTA = 'jobs.batch "x" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: 1, limited: 1';

test.each<readonly [number, string, string, ErrorCode]>([
  [400, 'BadRequest', 'bad', 'invalid'],
  [403, 'Forbidden', FORBIDDEN_QUOTA, 'unavailable'],
  [403, 'Forbidden', 'jobs.batch is forbidden: User "x" cannot create resource "jobs"', 'unavailable'],
  [403, 'Forbidden', 'pods "x" is forbidden: violates PodSecurity "restricted"', 'invalid'],
  [404, 'NotFound', 'not there', 'not_found'],
  [409, 'AlreadyExists', 'there', 'already_exists'],
  [409, 'Conflict', 'changed', 'revision_conflict'],
  [410, 'Expired', 'too old', 'revision_conflict'],
  [413, 'RequestEntityTooLarge', 'large', 'too_large'],
  [422, 'Invalid', 'spec.x: Invalid value', 'invalid'],
])('the refusal %i %s (%s) is %s, asked once', async (status, reason, message, code) => {
  api.answer = (_asked, response) => refuse(response, status, reason, message);
  const err = await errorOf(aClient().json({method: 'GET', path: '/x'}));
  expect(err.code).toBe(code);
  expect(err.detail).toBe(`Kubernetes: ${message}`);
  expect(api.asked).toHaveLength(1);
});

test.each([
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [500, 'ServerTimeout'],
  [503, 'ServiceUnavailable'],
  [504, 'Timeout'],
])('the refusal %i %s passes: it is tried again, and unavailable in the end', async (status, reason) => {
  let left = 1;
  api.answer = (_asked, response) => (left-- > 0 ? refuse(response, status, reason) : void response.end('{"a": 1}'));
  expect(await aClient().json({method: 'POST', path: '/x', body: {}})).toEqual({a: 1});
  left = Infinity;
  expect((await errorOf(aClient().json({method: 'GET', path: '/x'}))).code).toBe('unavailable');
});

test('a server that says when to come back is believed', async () => {
  let firstMs: number | undefined;
  api.answer = (_asked, response) => {
    if (firstMs !== undefined) return void response.end(JSON.stringify({afterMs: performance.now() - firstMs}));
    firstMs = performance.now();
    refuse(response, 429, 'TooManyRequests', 'slow down', {'retry-after': '1'});
  };
  const {afterMs} = await aClient().json<{afterMs: number}>({method: 'GET', path: '/x'});
  expect(afterMs).toBeGreaterThan(900);
});

test('a reply that is lost is asked for again, and a server that is away is unavailable', async () => {
  let left = 1;
  api.answer = (_asked, response) => (left-- > 0 ? response.destroy() : void response.end('{}'));
  expect(await aClient().json({method: 'POST', path: '/x', body: {}})).toEqual({});
  expect(api.asked).toHaveLength(2);
  const away = await new FakeApi().start();
  const config = away.config();
  await away.stop();
  const err = await errorOf(aClient(() => Promise.resolve(config)).json({method: 'GET', path: '/x'}));
  expect(err.code).toBe('unavailable');
  expect(err.detail).toContain('ECONNREFUSED');
});

test('an answer that is not JSON, a proxy page say, is unavailable', async () => {
  api.answer = (_asked, response) => void response.end('<html>');
  expect((await errorOf(aClient().json({method: 'GET', path: '/x'}))).code).toBe('unavailable');
});

test('no more requests than allowed are in flight', async () => {
  let [running, most] = [0, 0];
  api.answer = (_asked, response) => {
    most = Math.max(most, ++running);
    setTimeout(() => {
      running--;
      response.end('{}');
    }, 5);
  };
  const client = aClient();
  await Promise.all(Array.from({length: 20}, () => client.json({method: 'GET', path: '/x'})));
  expect(most).toBe(4);
});

test('a token that is not taken any more is asked for anew', async () => {
  let token = 'old';
  const authorization = (isRefused = false): Promise<string> => Promise.resolve(`Bearer ${isRefused ? (token = 'new') : token}`);
  api.answer = (asked, response) => (asked.authorization === 'Bearer new' ? void response.end('{}') : refuse(response, 401, 'Unauthorized'));
  expect(await aClient(() => Promise.resolve(api.config(authorization))).json({method: 'GET', path: '/x'})).toEqual({});
});

test('a request that is given up ends', async () => {
  api.answer = () => {};
  const giving = new AbortController();
  const asking = errorOf(aClient().json({method: 'GET', path: '/x', signal: giving.signal}));
  setTimeout(() => giving.abort(), 10);
  expect((await asking).code).toBe('unavailable');
});

function aKubeconfig(user: object, cluster: object = {}): string {
  return JSON.stringify({
    ...{apiVersion: 'v1', kind: 'Config', 'current-context': 'c'},
    contexts: [{name: 'c', context: {cluster: 'k', user: 'u', namespace: 'n'}}],
    clusters: [{name: 'k', cluster: {server: 'https://10.0.0.1:6443/base', ...cluster}}],
    users: [{name: 'u', user}],
  });
}

async function loaded(text: string): Promise<ClientConfig> {
  const path = join(folder, 'kubeconfig');
  await writeFile(path, text);
  return loadKubeconfig(path, undefined, {PATH: '/usr/bin:/bin'});
}

test('a kubeconfig gives server, namespace, certificates inline or in files beside it, and a token', async () => {
  await writeFile(join(folder, 'ca.pem'), 'CA');
  const config = await loaded(
    aKubeconfig(
      {token: 't', 'client-certificate-data': Buffer.from('CERT').toString('base64')},
      {'certificate-authority': 'ca.pem', 'tls-server-name': 's'},
    ),
  );
  expect(config).toMatchObject({namespace: 'n', tls: {ca: 'CA', cert: 'CERT', servername: 's'}});
  expect(config.server.href).toBe('https://10.0.0.1:6443/base');
  expect(await config.authorization()).toBe('Bearer t');
});

test('a token may be in a file, or in what a program prints', async () => {
  await writeFile(join(folder, 'token'), 'from-file\n');
  expect(await (await loaded(aKubeconfig({tokenFile: 'token'}))).authorization()).toBe('Bearer from-file');
  const program = join(folder, 'get-token');
  const answer = JSON.stringify({kind: 'ExecCredential', status: {token: 'from-program', expirationTimestamp: '2999-01-01T00:00:00Z'}});
  await writeFile(program, `#!/bin/sh\necho x >> ${folder}/calls\n[ "$EXTRA" = yes ] && echo '${answer}'\n`);
  await chmod(program, 0o755);
  const exec = {apiVersion: 'client.authentication.k8s.io/v1', command: './get-token', env: [{name: 'EXTRA', value: 'yes'}]};
  const config = await loaded(aKubeconfig({exec}));
  expect(await Promise.all([config.authorization(), config.authorization()])).toEqual(['Bearer from-program', 'Bearer from-program']);
  const failing = await loaded(aKubeconfig({exec: {...exec, env: []}}));
  expect((await errorOf(failing.authorization())).detail).toBe('the credential program ./get-token failed (1)');
});

test.each([
  ['no YAML', ': {', 'it is not YAML'],
  ['no mapping', '[]', 'it is no mapping'],
  ['no current context', '{}', 'it names no current context'],
  ['another context', '{"current-context": "x", "contexts": []}', 'it has no context x'],
  ['a prototype', '{"__proto__": {"x": 1}}', '__proto__'],
  ['no server', '{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k"}}]}', 'names no cluster with a server'],
])('a kubeconfig with %s is unavailable, with what is wrong', async (_what, text, problem) => {
  const err = await errorOf(loaded(text));
  expect(err.code).toBe('unavailable');
  expect(err.detail).toContain(problem);
});

test('outside of a pod there is no service account', async () => {
  expect(hasCode(await errorOf(loadInCluster({})), 'unavailable')).toBe(true);
});
