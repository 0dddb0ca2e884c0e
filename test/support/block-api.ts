import {afterAll, beforeAll, expect} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {newJobToken, tokenDigest} from '../../src/schema/job-token.ts';
import {deployKey, deployStateKey, pbStateKey} from '../../src/schema/keys.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import type {ApiDeps} from '../../src/api/deps.ts';
import {startApi} from '../api/harness.ts';
import type {Answer, AskOptions, TestApi} from '../api/harness.ts';
import {aTry} from './builders.ts';
import {startEtcd} from './etcd.ts';
import type {TestEtcd} from './etcd.ts';

/** What tests of the routes of blocks work with: an API over an etcd of their own, and what others would write there. */
export interface BlockApi {
  readonly etcd: TestEtcd;
  readonly api: TestApi;
  readonly ask: (method: string, path: string, options?: AskOptions) => Promise<Answer>;
  /** Makes a processing block, and gives it the state that the processing controller would. @returns its id */
  readonly newPb: (more?: Record<string, unknown>, state?: Partial<PbState>) => Promise<string>;
  /** Claims a processing block. @returns the header that names the claim */
  readonly claim: (pbId: string, ttlSeconds?: number) => Promise<Record<string, string>>;
  /** Puts a deployment whose tries have been given these tokens. */
  readonly putDeployment: (id: string, tokens: readonly string[], more?: Record<string, unknown>) => Promise<void>;
  /** Writes a key as an operator would. */
  readonly put: (key: string, value: unknown) => Promise<number>;
  readonly remove: (key: string) => Promise<void>;
  /** The JSON under a key; `undefined` when it is absent. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly get: (key: string) => Promise<any>;
  /** The answer to something that is refused, which must have written nothing. @returns `status reason` */
  readonly refused: (method: string, path: string, options?: AskOptions) => Promise<string>;
}

export const SCRIPT = {kind: 'batch', name: 'vis', version: '1.0'};
export const REALTIME = {kind: 'realtime', name: 'receive', version: '1.0'};
export const CLAIM = {command: ['python3', 'vis.py'], hostname: 'node-1', pid: 42, ttl_seconds: 30};

/** A token for the deployment `id`. */
export const deploymentToken = (id: string): string => newJobToken(`deploy.${id}`);

/** Starts one for the tests of a file, and stops it after them. */
export function blockApi(replaced: Partial<ApiDeps> = {}): BlockApi {
  let etcd: TestEtcd;
  let api: TestApi;
  beforeAll(async () => {
    etcd = await startEtcd({unsafeNoFsync: true});
    api = await startApi(etcd.endpoint, {}, replaced);
  });
  afterAll(async () => {
    await api?.stop();
    await etcd?.stop();
  });
  const ask: BlockApi['ask'] = (method, path, options) => api.ask(method, path, options);
  const put: BlockApi['put'] = async (key, value) => {
    const text = typeof value === 'string' ? value : canonicalJson(value);
    return (await api.store.commit({compares: [], ops: [{put: key, value: text}]})).revision;
  };
  return {
    get etcd() {
      return etcd;
    },
    get api() {
      return api;
    },
    ask,
    put,
    newPb: async (more = {}, state = {}) => {
      const answer = await ask('POST', '/pb', {body: {script: SCRIPT, ...more}});
      expect(answer.status, `${answer.reason}`).toBe(201);
      const id = answer.body.id as string;
      await put(pbStateKey(id), {status: 'STARTING', resources_available: false, ...state});
      return id;
    },
    claim: async (pbId, ttlSeconds = 30) => {
      const answer = await ask('POST', `/pb/${pbId}/owner`, {body: {...CLAIM, ttl_seconds: ttlSeconds}});
      expect(answer.status, `${answer.reason}`).toBe(201);
      return {'owner-revision': String(answer.body.owner_revision)};
    },
    putDeployment: async (id, tokens, more = {}) => {
      await put(deployKey(id), {id, type: 'job', args: {command: ['true']}, ...more});
      const of = (await api.store.get(deployKey(id)))?.createRevision;
      const tries = tokens.map((token, i) => aTry({try: i + 1, token_digest: tokenDigest(token)}));
      await put(deployStateKey(id), {status: 'RUNNING', of, tries_total: tries.length, failures: 0, tries});
    },
    remove: async (key) => void (await api.store.commit({compares: [], ops: [{delete: key}]})),
    get: async (key) => {
      const entry = await api.store.get(key);
      return entry === undefined ? undefined : JSON.parse(entry.value.toString());
    },
    refused: async (method, path, options) => {
      const before = await api.store.currentRevision();
      const answer = await ask(method, path, options);
      expect(answer.status, `${answer.reason}`).toBeGreaterThanOrEqual(400);
      expect(answer.body).toEqual({code: answer.status, error: answer.reason});
      expect(await api.store.currentRevision(), 'something was written').toBe(before);
      return `${answer.status} ${answer.reason}`;
    },
  };
}
