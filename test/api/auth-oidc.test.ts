import {createHash, createSecretKey} from 'node:crypto';
import {SignJWT} from 'jose';
import type {JWTPayload} from 'jose';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import type {Identity} from '../../src/api/auth/authenticator.ts';
import {Oidc} from '../../src/api/auth/oidc.ts';
import {silentLog} from '../../src/lib/log.ts';
import {eventually} from '../support/eventually.ts';
import {logLines} from '../support/log-lines.ts';
import {movingClock} from '../support/moving-clock.ts';
import type {MovingClock} from '../support/moving-clock.ts';
import {BOTH_CLAIMS, OidcProvider, USER_CLAIMS, newSigningKey} from '../support/oidc-provider.ts';
import type {TokenOptions} from '../support/oidc-provider.ts';

const SETTINGS = {audience: 'skydriver', algorithms: ['RS256', 'RS512']};

let provider: OidcProvider;
let clock: MovingClock;
let oidc: Oidc;

beforeEach(async () => {
  provider = await OidcProvider.start();
  clock = movingClock();
  oidc = new Oidc({...SETTINGS, openidUrl: provider.url}, clock, silentLog);
});
afterEach(() => provider.stop());

const identify = (text: string, by = oidc): Promise<Identity | undefined> =>
  by.identify({text, digest: createHash('sha256').update(text).digest('hex')});
const userToken = (options: TokenOptions = {}): Promise<string> => provider.token({claims: USER_CLAIMS, ...options});

test('a token tells its bearer’s name and roles', async () => {
  expect(await identify(await userToken())).toMatchObject({name: 'ada', roles: {v2: ['user'], v1: []}});
  const withRoles = {...USER_CLAIMS, groups: ['/staff']};
  expect(await identify(await provider.token({claims: withRoles}))).toMatchObject({roles: {v2: ['user']}, requestRoles: ['/staff']});
  expect(await identify(await provider.token({claims: BOTH_CLAIMS}))).toMatchObject({name: 'u-1', roles: {v2: ['system', 'user']}});
});

test('nothing is fetched before a token comes, and the keys are fetched once for all that follow', async () => {
  expect(provider.fetches).toBe(0);
  await Promise.all(Array.from({length: 20}, async () => expect(await identify(await userToken())).toBeDefined()));
  expect(provider.fetches).toBe(1);
});

describe('a token is nobody’s', () => {
  const now = (): number => Math.floor(Date.now() / 1000);
  test.each<[string, () => TokenOptions]>([
    ['when it has expired more than a minute ago', () => ({expiresInSeconds: -61})],
    ['when it is for another audience', () => ({claims: {...USER_CLAIMS, aud: 'other'}})],
    ['when it is for no audience', () => ({claims: {...USER_CLAIMS, aud: undefined}})],
    ['when it does not say until when it holds', () => ({claims: {...USER_CLAIMS, exp: undefined}})],
    ['when it does not say since when', () => ({claims: {...USER_CLAIMS, iat: undefined}})],
    ['when it does not say who made it', () => ({claims: {...USER_CLAIMS, iss: undefined}})],
    ['when it does not say whose it is', () => ({claims: {...USER_CLAIMS, sub: undefined}})],
    ['when its subject is empty', () => ({claims: {...USER_CLAIMS, sub: ''}})],
    ['when it was issued in the future', () => ({claims: {...USER_CLAIMS, iat: now() + 90}})],
    ['when it does not hold yet', () => ({claims: {...USER_CLAIMS, nbf: now() + 90}})],
    ['when it names a key that the provider does not have', () => ({keyId: 'made-up'})],
  ])('%s', async (_, options) => {
    expect(await identify(await userToken(options()))).toBeUndefined();
  });

  test('when another key than the one it names has signed it', async () => {
    const good = await userToken();
    const {kid} = JSON.parse(Buffer.from(good.split('.')[0] as string, 'base64url').toString()) as {kid: string};
    expect(await identify(await userToken({key: await newSigningKey(), keyId: kid}))).toBeUndefined();
    expect(await identify(good)).toBeDefined();
  });

  test('when it was changed, or is signed by nothing, or by a public key used as a secret', async () => {
    const [head, body, signature] = (await userToken()).split('.') as [string, string, string];
    const more = Buffer.from(JSON.stringify({...JSON.parse(Buffer.from(body, 'base64url').toString()), ...BOTH_CLAIMS})).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    const secret = createSecretKey(Buffer.alloc(32, 1));
    const symmetric = await new SignJWT(JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload)
      .setProtectedHeader({alg: 'HS256', kid: 'key-1'})
      .sign(secret);
    for (const token of [`${head}.${more}.${signature}`, `${none}.${body}.`, `${none}.${body}.AA`, symmetric, `${head}.${body}`, 'junk']) {
      expect(await identify(token), `${token.slice(0, 20)}`).toBeUndefined();
    }
  });
});

test('clocks may be a minute apart', async () => {
  const now = Math.floor(Date.now() / 1000);
  expect(await identify(await userToken({expiresInSeconds: -30}))).toBeDefined();
  expect(await identify(await userToken({claims: {...USER_CLAIMS, iat: now + 30, nbf: now + 30}}))).toBeDefined();
});

test('a token that was good once is refused when it has expired', async () => {
  const token = await userToken({expiresInSeconds: 100});
  expect(await identify(token)).toBeDefined();
  clock.advance(150_000);
  expect(await identify(token)).toBeDefined();
  clock.advance(11_000);
  expect(await identify(token)).toBeUndefined();
});

test('a new key of the provider is fetched when a token names it', async () => {
  const before = await userToken();
  await identify(before);
  await provider.rotate();
  clock.advance(5_000);
  expect(await identify(await userToken())).toBeDefined();
  expect(await identify(before)).toBeDefined();
  expect(provider.fetches).toBe(2);
});

test('key ids that somebody made up cost the provider one fetch in five seconds', async () => {
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < 10; i++) expect(await identify(await userToken({keyId: `made-up-${i}`}))).toBeUndefined();
    expect(provider.fetches).toBe(round);
    clock.advance(5_000);
  }
});

test('a key that the provider has withdrawn counts no longer when the keys were fetched again', async () => {
  const token = await userToken();
  expect(await identify(token)).toBeDefined();
  await provider.rotate({withdrawn: true});
  clock.advance(599_000);
  expect(await identify(token)).toBeDefined();
  expect(provider.fetches).toBe(1);
  clock.advance(1_000);
  await eventually(async () => (await identify(token)) === undefined);
});

describe('with the provider away', () => {
  test('tokens of keys that are known go on counting, whether they were seen before or not, however long it takes', async () => {
    const seen = await userToken();
    await identify(seen);
    const unseen = await userToken({claims: {...USER_CLAIMS, sub: 'u-2'}});
    await provider.goAway();
    for (let minute = 0; minute < 30; minute += 5) {
      clock.advance(300_000);
      expect(await identify(seen)).toBeDefined();
      expect(await identify(unseen)).toBeDefined();
    }
  });

  test('nobody can tell about a token while no key, or not its key, is known; when the provider is back, somebody can', async () => {
    const {log, lines} = logLines();
    const fresh = new Oidc({...SETTINGS, openidUrl: provider.url}, clock, log);
    const first = await userToken();
    await provider.goAway();
    for (let i = 0; i < 5; i++) {
      await expect(identify(first, fresh)).rejects.toMatchObject({code: 'unavailable', isLogged: true});
      clock.advance(1_000);
    }
    expect(await identify('junk', fresh)).toBeUndefined();
    await provider.comeBack();
    expect(await identify(first, fresh)).toBeDefined();

    await provider.rotate();
    const second = await userToken();
    await provider.goAway();
    clock.advance(5_000);
    await expect(identify(second, fresh)).rejects.toMatchObject({code: 'unavailable'});
    expect(await identify(first, fresh)).toBeDefined();
    await provider.comeBack();
    clock.advance(1_000);
    expect(await identify(second, fresh)).toBeDefined();

    const aboutProvider = lines.filter(({msg}) => String(msg).startsWith('identity provider'));
    expect(aboutProvider.map(({level}) => level)).toEqual([50, 30, 50, 30]);
  });
});

test('RS512 is accepted; RS384 only where it is configured', async () => {
  const withRs384 = new Oidc({...SETTINGS, openidUrl: provider.url, algorithms: ['RS384']}, clock, silentLog);
  const [rs512, rs384] = await Promise.all([userToken({algorithm: 'RS512'}), userToken({algorithm: 'RS384'})]);
  expect(await identify(rs512)).toBeDefined();
  expect(await identify(rs384)).toBeUndefined();
  expect(await identify(rs384, withRs384)).toBeDefined();
  expect(await identify(rs512, withRs384)).toBeUndefined();
});

test('no token reaches the log', async () => {
  const {log, text} = logLines();
  const logged = new Oidc({...SETTINGS, openidUrl: provider.url}, clock, log);
  for (const token of [await userToken(), await userToken({expiresInSeconds: -100})]) {
    await identify(token, logged);
    for (const part of token.split('.').slice(1)) expect(text()).not.toContain(part);
  }
  expect(text()).toContain('ERR_JWT_EXPIRED');
});

test('a provider whose keys lie at an address in the clear is not believed', async () => {
  provider.keysAddress = 'http://keys.example/certs';
  await expect(identify(await userToken())).rejects.toMatchObject({code: 'unavailable'});
});

test('a provider that sends us elsewhere for its keys is not followed', async () => {
  provider.keysAddress = `${provider.url}/moved`;
  await expect(identify(await userToken())).rejects.toMatchObject({code: 'unavailable'});
  expect(provider.fetches).toBe(0);
});
