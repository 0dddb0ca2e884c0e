import {describe, expect, test} from 'vitest';
import type {Context} from 'koa';
import {ApiError} from '../../../src/api/api-error.ts';
import {RequestGate} from '../../../src/api/requests/gate.ts';
import type {GateOptions} from '../../../src/api/requests/gate.ts';
import {authenticateRequest} from '../../../src/api/requests/principal.ts';
import type {RequestPrincipal} from '../../../src/api/requests/principal.ts';
import type {AclEntry} from '../../../src/model/request-acl.ts';
import {knowing} from '../../support/request-api.ts';

const ACL: readonly AclEntry[] = [
  {role: 'r1', admin: true, ops: []},
  {role: 'r2', admin: false, ops: ['start', 'stop']},
];

/** How often the last word was asked for, and whether the caller may. */
async function outcome(
  roles: readonly string[],
  op: string,
  type = 'q',
  more: Partial<GateOptions> = {},
): Promise<{may: boolean; asked: number; reason?: string}> {
  let asked = 0;
  const gate = new RequestGate({
    ...{adminRoles: ['root'], strict: true, executorRole: 'executor'},
    aclOf: (of) => (of === 'q' ? ACL : of === 'open' ? [] : undefined),
    ...more,
    authorize: async (caller, wanted) => {
      asked++;
      await more.authorize?.(caller, wanted);
    },
  });
  const caller: RequestPrincipal = {isUnasked: false, name: 'ana', roles, scanRoles: []};
  try {
    await gate.authorise(caller, {op: op as 'start', type, args: {}});
    return {may: true, asked};
  } catch (err) {
    if (!(err instanceof ApiError) || err.code !== 'forbidden') throw err;
    return {may: false, asked, reason: err.detail};
  }
}

describe('4.8 Auth', () => {
  test('case 83: whom the authentication names is who calls', async () => {
    const ctx = {req: {headers: {authorization: 'Bearer ana'}}} as unknown as Context;
    const known = knowing({ana: {roles: ['user'], requestRoles: ['dev']}});
    expect(await authenticateRequest(known, ctx)).toEqual({isUnasked: false, name: 'ana', roles: ['dev'], scanRoles: ['user']});
  });

  test('case 84: who has none of the roles of the access list may not, and nobody else is asked', async () => {
    expect(await outcome(['dev'], 'start')).toEqual({
      may: false,
      asked: 0,
      reason: "not allowed to start q: none of the caller's roles (dev) is among r1, r2",
    });
  });

  test('case 85: who has a role that does not grant the operation may not', async () => {
    expect(await outcome(['r2'], 'foo')).toMatchObject({may: false, asked: 0});
  });

  test('case 86: who has an admin role may, and nobody else is asked', async () => {
    expect(await outcome(['root'], 'start')).toEqual({may: true, asked: 0});
    expect(await outcome(['root'], 'start', 'no-such-type')).toEqual({may: true, asked: 0});
  });

  test('case 87: who has a role that grants the operation may, if the last word allows it', async () => {
    expect(await outcome(['r2'], 'start')).toEqual({may: true, asked: 1});
  });

  test('case 88: an admin of the access list may do anything', async () => {
    expect(await outcome(['r1'], 'fake')).toEqual({may: true, asked: 1});
  });

  test('case 89: the last word can refuse what the access list allows', async () => {
    const authorize = (): Promise<void> => Promise.reject(new Error('not on Sundays'));
    expect(await outcome(['r1'], 'fake', 'q', {authorize})).toEqual({may: false, asked: 1, reason: 'not allowed to fake q: not on Sundays'});
  });

  test('case 90: of an unknown type nobody may anything', async () => {
    expect(await outcome(['r1'], 'start', 'no-such-type')).toMatchObject({may: false, asked: 0});
  });

  test('case 91: a type without access list is nobody’s where access is strict', async () => {
    expect(await outcome(['r1'], 'start', 'open')).toMatchObject({may: false, asked: 0});
  });

  test('case 92: a type without access list is everybody’s where access is not strict', async () => {
    expect(await outcome(['dev'], 'start', 'open', {strict: false})).toEqual({may: true, asked: 0});
  });

  test('case 93: without authentication everybody may everything', async () => {
    const ctx = {req: {headers: {}}, headers: {}, method: 'POST', host: ''} as unknown as Context;
    const caller = await authenticateRequest(undefined, ctx);
    const gate = new RequestGate({adminRoles: [], strict: true, executorRole: 'executor', aclOf: () => undefined});
    await gate.authorise(caller, {op: 'start', type: 'q', args: {}});
    gate.requireExecutor(caller);
    expect(gate.seesScans(caller)).toBe(true);
  });

  test('roles are compared letter by letter', async () => {
    expect(await outcome(['R2'], 'start')).toMatchObject({may: false});
    expect(await outcome(['Root'], 'start')).toMatchObject({may: false});
  });

  test('a sky scan may be started and stopped by SkyDriver’s users alone, whatever other roles say', async () => {
    const gate = new RequestGate({adminRoles: ['root'], strict: false, executorRole: 'executor', aclOf: () => []});
    const may = async (caller: Partial<RequestPrincipal>): Promise<boolean> => {
      const wanted = {op: 'stop', type: 'skymap-scan', args: {}} as const;
      return gate.authorise({isUnasked: false, roles: [], scanRoles: [], ...caller}, wanted).then(
        () => true,
        () => false,
      );
    };
    expect(await may({scanRoles: ['user']})).toBe(true);
    expect(await may({scanRoles: ['system']})).toBe(false);
    expect(await may({roles: ['user']})).toBe(false);
    expect(await may({roles: ['root']})).toBe(true);
  });

  test('only executors and admins may say what became of a request', () => {
    const gate = new RequestGate({adminRoles: ['root'], strict: false, executorRole: 'runner', aclOf: () => []});
    const caller = (roles: readonly string[]): RequestPrincipal => ({isUnasked: false, roles, scanRoles: ['user', 'system']});
    expect(() => gate.requireExecutor(caller(['executor']))).toThrow('only the role runner may do this');
    gate.requireExecutor(caller(['runner']));
    gate.requireExecutor(caller(['root']));
  });
});
