import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {parseCommandLine} from '../../../src/cli/request/command-line.ts';
import {resolveOptions} from '../../../src/cli/request/options.ts';
import type {Environment, Options} from '../../../src/cli/request/options.ts';

let home: string;
let notes: string[];
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'scanplane-home-'));
  notes = [];
});
afterEach(() => rmSync(home, {recursive: true}));

function file(name: string, text: string): string {
  const path = join(home, name);
  writeFileSync(path, text);
  return path;
}

function options(argv: readonly string[] = [], env: Environment = {}): Options {
  return resolveOptions(parseCommandLine(argv), env, home, (note) => notes.push(note));
}

test('built in are the API on this machine and five seconds', () => {
  expect(options()).toEqual({addr: 'http://127.0.0.1:8080', timeoutMs: 5000, isDebug: false, env: ''});
});

test('a flag wins over the environment, the environment over the config file', () => {
  file('.scanplane.yaml', 'addr: http://file:1/\ntimeout: 100\nother: [1]\n');
  expect(options()).toMatchObject({addr: 'http://file:1', timeoutMs: 100});
  const env = {SCANPLANE_ADDR: 'http://env:2', SCANPLANE_TIMEOUT: '200', SCANPLANE_ENV: 'staging', SCANPLANE_DEBUG: 'T'};
  expect(options([], env)).toEqual({addr: 'http://env:2', timeoutMs: 200, isDebug: true, env: 'staging'});
  expect(options(['--addr', 'https://flag:3', '--timeout=300', '--env', 'dev'], env)).toMatchObject({
    addr: 'https://flag:3',
    timeoutMs: 300,
    env: 'dev',
  });
});

test('the variables of spinc hold where ours are not set', () => {
  const env = {SPINC_ADDR: 'http://spin:1', SPINC_TIMEOUT: '7', SPINC_ENV: 'prod', SPINC_DEBUG: 'true'};
  expect(options([], env)).toEqual({addr: 'http://spin:1', timeoutMs: 7, isDebug: true, env: 'prod'});
  expect(options([], {...env, SCANPLANE_ADDR: 'http://own:2', SCANPLANE_ENV: ''})).toMatchObject({addr: 'http://own:2', env: 'prod'});
});

test('config files that are named replace the one in the home directory, the later ones win, and missing ones are skipped', () => {
  file('.scanplane.yaml', 'timeout: 1\n');
  const [a, b] = [file('a.yaml', 'addr: http://a\ntimeout: 10\n'), file('b.yaml', 'addr: http://b\n')];
  expect(options(['--config', `${a},${b},${join(home, 'none.yaml')}`])).toMatchObject({addr: 'http://b', timeoutMs: 10});
  expect(notes).toEqual([expect.stringContaining('none.yaml skipped')]);
  expect(options([], {SPINC_CONFIG: b})).toMatchObject({addr: 'http://b', timeoutMs: 5000});
});

test('a wrong value is refused with the place where it stands', () => {
  expect(() => options(['--timeout', 'soon'])).toThrow('--timeout: the timeout has to be');
  expect(() => options([], {SPINC_TIMEOUT: '0'})).toThrow('SPINC_TIMEOUT');
  expect(() => options([], {SCANPLANE_DEBUG: 'maybe'})).toThrow('SCANPLANE_DEBUG');
  expect(() => options(['--addr', 'localhost:8080'])).toThrow('--addr: the address has to look like');
  expect(() => options(['--config', file('list.yaml', '- 1\n')])).toThrow('list.yaml: not a mapping');
  expect(() => options(['--config', file('broken.yaml', 'a: [\n')])).toThrow('broken.yaml: ');
  expect(() => options(['--config', file('typed.yaml', 'addr: 5\n')])).toThrow('typed.yaml: addr');
  expect(() => parseCommandLine(['--wrong'])).toThrow("Unknown option '--wrong'");
});

test('a password in an address is refused and not repeated', () => {
  const refusal = (() => {
    try {
      return options(['--addr', 'http://ana:hush@host']);
    } catch (err) {
      return String(err);
    }
  })();
  expect(refusal).toContain('--addr');
  expect(refusal).not.toContain('hush');
});

test('the token comes from the named file, else from the environment', () => {
  const [one, two] = [file('one', ' t-one\n'), file('two', 't-two')];
  expect(options(['--token-file', one], {SCANPLANE_TOKEN: 't'}).token).toBe('t-one');
  expect(options([], {SCANPLANE_TOKEN: 't', SCANPLANE_TOKEN_FILE: two}).token).toBe('t');
  expect(options([], {SCANPLANE_TOKEN_FILE: two}).token).toBe('t-two');
});

test('what is no token is refused, and not shown', () => {
  const place = file('secret', 'two words\nmore');
  expect(() => options(['--token-file', place])).toThrow(`--token-file: ${place}: this is no bearer token`);
  expect(() => options(['--token-file', join(home, 'none')])).toThrow('(ENOENT)');
  expect(() => options([], {SCANPLANE_TOKEN: 'hu\u0000sh'})).toThrow(/^\[invalid\] SCANPLANE_TOKEN: this is no bearer token$/);
});
