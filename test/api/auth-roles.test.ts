import type {Context} from 'koa';
import {expect, test} from 'vitest';
import {authenticate} from '../../src/api/auth/authenticate.ts';
import type {Authenticator} from '../../src/api/auth/authenticator.ts';
import {everywhere, requestRolesOfClaims, rolesOfClaims} from '../../src/api/auth/roles.ts';
import {TokenMemory} from '../../src/api/auth/token-memory.ts';

test.each<[Record<string, unknown>, {v2: string[]; v1: string[]}]>([
  [{}, {v2: [], v1: []}],
  [{resource_access: {'skydriver-external': {roles: ['users']}}}, {v2: ['user'], v1: []}],
  [{resource_access: {'skydriver-internal': {roles: ['other', 'system']}}}, {v2: ['system'], v1: []}],
  [{resource_access: {'skydriver-external': {roles: ['users']}, 'skydriver-internal': {roles: ['system']}}}, {v2: ['system', 'user'], v1: []}],
  [{resource_access: {'skydriver-external': {roles: ['system']}, 'skydriver-internal': {roles: ['users']}}}, {v2: [], v1: []}],
  [{resource_access: {'skydriver-external': {roles: 'users'}}}, {v2: [], v1: []}],
  [{resource_access: {'skydriver-external': null}}, {v2: [], v1: []}],
  [{resource_access: 'skydriver-external'}, {v2: [], v1: []}],
  [{groups: ['/institutions/IceCube/UW-Madison']}, {v2: [], v1: ['user']}],
  [{groups: ['/other', '/institutions/IceCube']}, {v2: [], v1: ['user']}],
  [{groups: ['/x/institutions/IceCube', '/institutions/Other', 7]}, {v2: [], v1: []}],
  [{groups: '/institutions/IceCube'}, {v2: [], v1: []}],
  [{skydriver_role: 'system'}, {v2: [], v1: ['system']}],
  [{skydriver_role: ['system']}, {v2: [], v1: []}],
  [
    {skydriver_role: 'system', groups: ['/institutions/IceCube']},
    {v2: [], v1: ['system', 'user']},
  ],
])('roles that %j gives', (claims, {v2, v1}) => {
  expect(rolesOfClaims(claims)).toEqual({v2, v1, v0: v1});
});

test('the roles for requests are those at our own client, and the groups', () => {
  const claims = {
    resource_access: {ours: {roles: ['observer', 7, '']}, theirs: {roles: ['root']}},
    groups: ['/staff'],
    roles: ['root'],
    realm_access: {roles: ['root']},
  };
  expect(requestRolesOfClaims(claims, 'ours')).toEqual(['observer', '/staff']);
  expect(requestRolesOfClaims({groups: 'root', resource_access: {ours: 'root'}}, 'ours')).toEqual([]);
  expect(requestRolesOfClaims({}, '__proto__')).toEqual([]);
});

test('each version of the API reads a caller’s roles from attributes of its own', async () => {
  const authenticator: Authenticator = {identify: async () => ({name: 'ada', roles: {...everywhere([]), v1: ['user'], v0: ['user']}})};
  const ask = (path: string): Promise<unknown> => {
    const ctx = {path, req: {headers: {authorization: 'Bearer t'}}} as Context;
    return authenticate({cache: undefined as never, authenticator}, ctx, ['user'], undefined);
  };
  for (const path of ['/v1/scan', '/v0/scan', '/scans']) expect(await ask(path), `${path}`).toEqual({role: 'user', name: 'ada'});
  for (const path of ['/scan', '/v2/scan', '/scans/find']) await expect(ask(path), `${path}`).rejects.toMatchObject({detail: 'authorization failed'});
});

test('the memory of tokens is bounded, and forgets what has expired', () => {
  const memory = new TokenMemory(2);
  const identity = {name: 'ada', roles: everywhere(['user'])};
  memory.remember('a', identity, 100);
  memory.remember('b', identity, 100);
  memory.remember('c', identity, 50);
  expect(memory.size).toBe(2);
  expect(memory.find('a', 0)).toBeUndefined();
  expect(memory.find('b', 99)).toBe(identity);
  expect(memory.find('c', 50)).toBeUndefined();
  expect(memory.size).toBe(1);
});
