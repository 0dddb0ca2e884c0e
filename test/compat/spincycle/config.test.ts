import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {loadConfig} from '../../../src/config.ts';
import type {Config} from '../../../src/config.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'scanplane-config-'));
});

afterAll(() => rmSync(directory, {recursive: true}));

function load(text: string, env: Readonly<Record<string, string>> = {}): Config {
  const file = join(directory, 'config.json');
  writeFileSync(file, text);
  return loadConfig({SCANPLANE_CONFIG: file, ...env});
}

describe('4.22 configuration', () => {
  test('case 314: a file that is named and not there is an error that names it', () => {
    expect(() => loadConfig({SCANPLANE_CONFIG: join(directory, 'nowhere.json')})).toThrow(/cannot read the configuration .*nowhere\.json/);
  });

  test('case 315: a file that is broken is an error that names it', () => {
    expect(() => load('{"api": {"port": 80')).toThrow(/config\.json is not JSON/);
  });

  test('case 316: what the API reads of a file stands in its fields, and the environment goes before it', () => {
    const api = {host: '127.0.0.2', port: 4711};
    const config = load(JSON.stringify({api, auth: {adminRoles: ['root'], strict: true}, requests: {specs: 'here'}}), {SCANPLANE_API_PORT: '4712'});
    expect(config.api).toMatchObject({...api, port: 4712});
    expect(config.auth).toMatchObject({adminRoles: ['root'], strict: true});
    expect(config.requests.specs).toBe('here');
  });

  test('case 317: what controllers read of a file stands in its fields', () => {
    const config = load(JSON.stringify({controllers: {ttlSeconds: 7, runDirectory: 'run'}, runner: {host: '127.0.0.3', port: 4713}}));
    expect(config.controllers).toMatchObject({ttlSeconds: 7, runDirectory: 'run'});
    expect(config.runner).toMatchObject({host: '127.0.0.3', port: 4713});
  });
});
