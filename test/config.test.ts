import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, onTestFinished, test} from 'vitest';
import {loadConfig, publicAddress} from '../src/config.ts';

test('without settings everything has its default, and nothing can be changed', () => {
  const config = loadConfig({});
  expect(config.etcd.endpoints).toEqual(['http://127.0.0.1:2379']);
  expect(config.api).toMatchObject({host: '127.0.0.1', port: 8080, bodyLimitBytes: 104_857_600});
  expect(Object.isFrozen(config.controllers)).toBe(true);
  expect(publicAddress(config.api)).toBe('http://127.0.0.1:8080');
});

test('a variable wins over the file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'scanplane-config-'));
  onTestFinished(() => rmSync(folder, {recursive: true}));
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify({api: {port: 9000, host: '0.0.0.0'}, etcd: {prefix: '/site'}}));
  expect(loadConfig({SCANPLANE_TEXTS: 'v2.4'}).api.texts).toBe('v2.4');
  const config = loadConfig({SCANPLANE_CONFIG: file, SCANPLANE_API_PORT: '9001', SCANPLANE_ETCD_ENDPOINTS: 'http://a:1, http://b:2'});
  expect(config.api).toMatchObject({port: 9001, host: '0.0.0.0'});
  expect(config.etcd).toMatchObject({prefix: '/site', endpoints: ['http://a:1', 'http://b:2']});
});

test('requests of any type, and who may do what with them, are set by variables too', () => {
  const {auth, requests} = loadConfig({
    SCANPLANE_SPECS: '/specs',
    SCANPLANE_JOBS_MODULE: '42',
    SCANPLANE_AUTH_ADMIN_ROLES: 'root, boss',
    SCANPLANE_AUTH_STRICT: 'true',
  });
  expect(requests).toEqual({specs: '/specs', jobsModule: '42', defaultCluster: 'local'});
  expect(auth).toMatchObject({adminRoles: ['root', 'boss'], strict: true, executorRole: 'executor'});
});

test.each([
  [{SCANPLANE_AUTH_STRICT: 'maybe'}, 'auth.strict'],
  [{SCANPLANE_DEFAULT_CLUSTER: 'local', SCANPLANE_SPEC: 'x'}, 'SCANPLANE_SPEC'],
  [{SCANPLANE_API_PORT: 'many'}, 'api.port'],
  [{SCANPLANE_API_PORT: '70000'}, 'api.port'],
  [{SCANPLANE_TTL_SECONDS: '1'}, 'controllers.ttlSeconds'],
  [{SCANPLANE_ORPHAN_AFTER_SECONDS: '5', SCANPLANE_TTL_SECONDS: '5'}, 'controllers.orphanAfterSeconds'],
  [{SCANPLANE_TEXTS: 'v3'}, 'api.texts'],
  [{SCANPLANE_API_PROT: '1'}, 'SCANPLANE_API_PROT'],
  [{SCANPLANE_ETCD_PREFIX: 'no-slash'}, 'etcd.prefix'],
  [{SCANPLANE_MIN_IMAGE_TAG: '4.x'}, 'api.minImageTag'],
  [{SCANPLANE_EWMS_TOKEN_URL: 'keycloak'}, 'ewms.tokenUrl'],
  [{SCANPLANE_CLUSTERS: '{'}, 'SCANPLANE_CLUSTERS'],
  [{SCANPLANE_CLUSTERS: '{"local":{"engine":"process"}}'}, 'clusters.local'],
  [{SCANPLANE_CONFIG: '/nonexistent/config.json'}, 'config.json'],
])('a wrong setting is refused by its name: %j', (env, name) => {
  expect(() => loadConfig(env)).toThrow(name);
});
