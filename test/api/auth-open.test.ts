import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, test} from 'vitest';
import type {Authenticator} from '../../src/api/auth/authenticator.ts';
import {openAuthenticator} from '../../src/api/auth/open.ts';
import {newToken} from '../../src/api/auth/token-entry.ts';
import {loadConfig} from '../../src/config.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {Log} from '../../src/lib/log.ts';
import {tokenDigest} from '../../src/schema/job-token.ts';
import {logLines} from '../support/log-lines.ts';
import {OidcProvider, USER_CLAIMS} from '../support/oidc-provider.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

function open(env: Record<string, string>, log: Log = silentLog): Authenticator | undefined {
  const {auth, api} = loadConfig(env);
  return openAuthenticator(auth, api, systemClock, log);
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<{code: unknown; out: string; err: string}> {
  const child = spawn(process.execPath, [MAIN, ...args], {stdio: ['ignore', 'pipe', 'pipe'], env: {PATH: process.env['PATH'], ...env}});
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  const [code] = await once(child, 'close');
  return {code, out, err};
}

test.each(['127.0.0.1', '127.8.0.1', '::1', 'localhost'])('on %s no authentication need be chosen', (host) => {
  expect(open({SCANPLANE_API_HOST: host})).toBeUndefined();
});

test.each(['0.0.0.0', '::', '192.168.1.2', 'scans.example.org', '127.0.0.1.example.org', 'localhost.example.org'])(
  'on %s the API does not start before an authentication is chosen',
  (host) => {
    expect(() => open({SCANPLANE_API_HOST: host})).toThrow(/not loopback.*set SCANPLANE_AUTH/);
  },
);

test('a process that would listen without a lock ends at once and says what to set, without waiting for etcd', async () => {
  const {code, err} = await run(['up'], {SCANPLANE_API_HOST: '0.0.0.0', SCANPLANE_ETCD_ENDPOINTS: 'http://127.0.0.1:1'});
  expect(code).toBe(1);
  expect(err.trim().split('\n')).toEqual([expect.stringMatching(/^scanplane: .*set SCANPLANE_AUTH to oidc, tokens or both .* or to none/)]);
});

test('asked for by name, no authentication works anywhere and is warned of once', () => {
  const {log, lines} = logLines();
  expect(open({SCANPLANE_API_HOST: '0.0.0.0', SCANPLANE_AUTH: 'none'}, log)).toBeUndefined();
  expect(lines.map(({level, msg}) => [level, msg])).toEqual([[40, 'no authentication: anybody who reaches the API may do anything']]);
});

test.each<[Record<string, string>, string]>([
  [{SCANPLANE_AUTH: 'odic'}, 'auth.methods'],
  [{SCANPLANE_AUTH: 'none,oidc', SCANPLANE_AUTH_OPENID_URL: 'https://id.example'}, 'none cannot go with another'],
  [{SCANPLANE_AUTH: 'oidc'}, 'SCANPLANE_AUTH_OPENID_URL'],
  [{SCANPLANE_AUTH: 'tokens'}, 'SCANPLANE_AUTH_TOKENS_FILE'],
  [{SCANPLANE_AUTH_OPENID_URL: 'https://id.example'}, 'SCANPLANE_AUTH does not name oidc'],
  [{SCANPLANE_AUTH: 'none', SCANPLANE_AUTH_TOKENS_FILE: '/etc/tokens'}, 'SCANPLANE_AUTH does not name tokens'],
  [{SCANPLANE_AUTH: 'oidc', SCANPLANE_AUTH_OPENID_URL: 'http://id.example'}, 'https'],
  [{SCANPLANE_AUTH: 'oidc', SCANPLANE_AUTH_OPENID_URL: 'https://me:secret@id.example'}, 'without a password'],
  [{SCANPLANE_AUTH: 'oidc', SCANPLANE_AUTH_OPENID_URL: 'https://id.example', SCANPLANE_AUTH_ALGORITHMS: 'HS256'}, 'auth.algorithms'],
])('a wrong setting is refused by its name: %j', (env, reason) => {
  expect(() => loadConfig(env)).toThrow(reason);
});

test('a provider and a tokens file may count at once', async () => {
  const provider = await OidcProvider.start();
  const directory = mkdtempSync(join(tmpdir(), 'scanplane-tokens-'));
  try {
    const file = join(directory, 'tokens.json');
    const {token, entry} = newToken('watchdog', ['system']);
    writeFileSync(file, JSON.stringify([entry]), {mode: 0o600});
    const both = open({SCANPLANE_AUTH: 'oidc,tokens', SCANPLANE_AUTH_OPENID_URL: `${provider.url}/`, SCANPLANE_AUTH_TOKENS_FILE: file});
    const names = [];
    for (const text of [token, await provider.token({claims: USER_CLAIMS}), 'junk']) {
      names.push((await both?.identify({text, digest: tokenDigest(text)}))?.name);
    }
    expect(names).toEqual(['watchdog', 'ada', undefined]);
  } finally {
    await provider.stop();
    rmSync(directory, {recursive: true});
  }
});

test('the command `token` makes a token and its entry', async () => {
  const {code, out} = await run(['token', 'ada', 'user', 'system']);
  expect(code).toBe(0);
  const [, token, entry] = /^token {2}(\S+)\nentry {2}(.+)\n$/.exec(out) ?? [];
  expect(JSON.parse(entry ?? '')).toEqual({name: 'ada', roles: ['user', 'system'], token_sha256: tokenDigest(token ?? '')});
  expect(await run(['token', 'ada', 'admin'])).toMatchObject({code: 1, err: expect.stringContaining('roles.0') as string});
});
