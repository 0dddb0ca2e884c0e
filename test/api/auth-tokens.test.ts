import {chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import type {Identity} from '../../src/api/auth/authenticator.ts';
import {newToken} from '../../src/api/auth/token-entry.ts';
import {TokenFile, isPrivate} from '../../src/api/auth/token-file.ts';
import {silentLog} from '../../src/lib/log.ts';
import {tokenDigest} from '../../src/schema/job-token.ts';
import {logLines} from '../support/log-lines.ts';
import {movingClock} from '../support/moving-clock.ts';

const ADA = newToken('ada', ['user']);
const BOT = newToken('watchdog', ['user', 'system']);

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'scanplane-tokens-'));
  path = join(directory, 'tokens.json');
});
afterEach(() => rmSync(directory, {recursive: true}));

const write = (entries: unknown, mode = 0o600): void => {
  writeFileSync(path, typeof entries === 'string' ? entries : JSON.stringify(entries), {mode});
  chmodSync(path, mode);
};
const open = (): TokenFile => new TokenFile(path, movingClock(), silentLog);
const identify = (file: TokenFile, text: string): Promise<Identity | undefined> => file.identify({text, digest: tokenDigest(text)});

test('a token of the file tells its bearer’s name and roles, the same in every version of the API', async () => {
  write([ADA.entry, BOT.entry]);
  const file = open();
  expect(await identify(file, ADA.token)).toEqual({name: 'ada', roles: {v2: ['user'], v1: ['user'], v0: ['user']}});
  expect((await identify(file, BOT.token))?.roles.v2).toEqual(['system', 'user']);
  for (const other of ['junk', '', ADA.entry.token_sha256]) expect(await identify(file, other)).toBeUndefined();
});

test('a token may have roles for requests beside SkyDriver’s, or those alone', async () => {
  const eve = newToken('eve', ['request:observer', 'user', 'request:executor']);
  const runner = newToken('runner', ['request:executor']);
  write([eve.entry, runner.entry]);
  const file = open();
  expect(await identify(file, eve.token)).toMatchObject({name: 'eve', roles: {v2: ['user']}, requestRoles: ['observer', 'executor']});
  expect(await identify(file, runner.token)).toEqual({name: 'runner', roles: {v2: [], v1: [], v0: []}, requestRoles: ['executor']});
  expect(() => newToken('odd', ['observer'])).toThrow('roles.0');
  expect(() => newToken('odd', ['request:'])).toThrow('request_roles.0');
  expect(() => newToken('odd', [])).toThrow('roles');
});

test('a change of the file counts within a second, without a restart; one that cannot be used changes nothing, and is logged once', async () => {
  write([ADA.entry]);
  const clock = movingClock();
  const {log, lines} = logLines();
  const file = new TokenFile(path, clock, log);
  const known = async (): Promise<string[]> => {
    const found = [];
    for (const {token, entry} of [ADA, BOT]) if ((await identify(file, token)) !== undefined) found.push(entry.name);
    return found;
  };
  write([BOT.entry]);
  expect(await known()).toEqual(['ada']);
  clock.advance(1000);
  expect(await known()).toEqual(['watchdog']);

  const spoil = [() => write('[{'), () => write([ADA.entry], 0o644), () => rmSync(path)];
  for (const [at, each] of spoil.entries()) {
    each();
    for (let i = 0; i < 3; i++) {
      clock.advance(1000);
      expect(await known()).toEqual(['watchdog']);
    }
    expect(lines.filter(({level}) => level === 50)).toHaveLength(at + 1);
  }

  // As editors and Kubernetes do it: another file takes the name.
  writeFileSync(`${path}.new`, JSON.stringify([ADA.entry, BOT.entry]), {mode: 0o600});
  renameSync(`${path}.new`, path);
  clock.advance(1000);
  expect(await known()).toEqual(['ada', 'watchdog']);
});

test.each([0o640, 0o604, 0o620, 0o601])('a file with rights %o for others is refused', (mode) => {
  write([ADA.entry], mode);
  expect(open).toThrow('chmod 600');
});

test('a file of root’s may be read by our group, as Kubernetes mounts Secrets; one of another owner may not', () => {
  const NOBODY = 65532;
  expect(isPrivate({mode: 0o100_440n, uid: 0n}, NOBODY)).toBe(true);
  for (const mode of [0o100_444n, 0o100_460n, 0o100_450n, 0o100_441n]) expect(isPrivate({mode, uid: 0n}, NOBODY)).toBe(false);
  for (const uid of [0, NOBODY]) expect(isPrivate({mode: 0o100_440n, uid: BigInt(uid)}, uid)).toBe(false);
});

test.each<[string, unknown, string]>([
  ['no JSON', `[{"name": "ada", "token_sha256": "${ADA.entry.token_sha256}"`, 'is not JSON'],
  ['no array', {tokens: [ADA.entry]}, 'is not a JSON array'],
  ['an entry that is none', [ADA.entry, 7], 'entry 2: must be object'],
  ['no name', [{...ADA.entry, name: undefined}], "entry 1: must have required property 'name'"],
  ['an empty name', [{...ADA.entry, name: ' '}], 'entry 1 ( ): name must match'],
  ['an unknown role', [ADA.entry, {...BOT.entry, roles: ['admin']}], 'entry 2 (watchdog): roles.0 must be equal to one of the allowed values'],
  ['no roles of any kind', [{...ADA.entry, roles: undefined}], "entry 1 (ada): must have required property 'roles' or 'request_roles'"],
  ['no role', [{...ADA.entry, roles: []}], 'entry 1 (ada): roles must NOT have fewer than 1 items'],
  ['a digest that is none', [{...ADA.entry, token_sha256: ADA.entry.token_sha256.slice(1)}], 'entry 1 (ada): token_sha256 must match'],
  ['a token in the clear', [{...ADA.entry, token: ADA.token}], 'entry 1 (ada): must NOT have additional properties'],
  ['a token that stands twice', [BOT.entry, ADA.entry, {...ADA.entry, name: 'eve'}], 'entry 3 (eve): its token is that of entry 2'],
])('a file with %s is refused by the name of its entry, and what is secret is not repeated', (_, entries, reason) => {
  write(entries);
  let message = '';
  try {
    open();
  } catch (err) {
    message = (err as Error).message;
  }
  expect(message).toContain(`tokens file ${path}`);
  expect(message).toContain(reason);
  expect(message).not.toContain(ADA.token);
  expect(message).not.toContain(ADA.entry.token_sha256.slice(8, 24));
});

test('a file that is not there is refused', () => {
  expect(open).toThrow(`tokens file ${path} cannot be read`);
});
