import {afterAll, afterEach, beforeAll, beforeEach, expect, test} from 'vitest';
import {runSdpCli} from '../../src/cli/sdp/run.ts';
import {connect} from '../../src/client/index.ts';
import type {ConfigDatabase} from '../../src/client/index.ts';
import {loadConfig} from '../../src/config.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {openDatabase} from '../../src/store/open.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

/** Keys that somebody wrote whose bytes are no text: etcd takes them, and lists them. */

const ODD = 450;

let etcd: TestEtcd;
let db: ConfigDatabase;
let env: Record<string, string>;
let count = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
});
afterAll(() => etcd?.stop());
beforeEach(async () => {
  env = {SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_ETCD_PREFIX: `/odd/${++count}`};
  db = connect({}, env);
});
afterEach(() => db.close());

/** Each with a value of some size, so that a page holds few. */
async function putOdd(number: number, size: number): Promise<void> {
  const value = Buffer.alloc(size, 'x').toString('base64');
  const all = Array.from({length: number}, (_, i) => {
    const key = Buffer.concat([Buffer.from(`${env['SCANPLANE_ETCD_PREFIX']}/pb/`), Buffer.from([0xff]), Buffer.from(String(i).padStart(4, '0'))]);
    return fetch(`${etcd.endpoint}/v3/kv/put`, {method: 'POST', body: JSON.stringify({key: key.toString('base64'), value})});
  });
  for (const {status} of await Promise.all(all)) expect(status).toBe(200);
  await db.create('/zzz', 'the last');
}

test('all keys are listed once, where many are no text', async () => {
  await putOdd(ODD, 1);
  const {entries} = await db.values('/', {recurse: 8});
  expect(entries).toHaveLength(ODD + 1);
  expect(entries.find(({path}) => path === '/zzz')?.text).toBe('the last');
});

test('a replica gets ready beside large values under keys that are no text', async () => {
  await putOdd(700, 30_000);
  const database = openDatabase(loadConfig(env).etcd, silentLog);
  const stop = new AbortController();
  const watching = database.cache.run(stop.signal);
  try {
    await database.cache.ready(AbortSignal.timeout(10_000));
  } finally {
    stop.abort();
    await watching;
    database.members.close();
  }
});

async function sdp(...argv: readonly string[]): Promise<{readonly code: number; readonly out: string; readonly err: string}> {
  const said = {out: '', err: ''};
  const code = await runSdpCli([...argv, '--prefix', `/${count}`], {
    input: (async function* () {})(),
    out: {write: (text) => (said.out += text)},
    err: {write: (text) => (said.err += text)},
    env: {...env, SCANPLANE_ETCD_PREFIX: '/odd'},
    clock: systemClock,
    interrupt: AbortSignal.timeout(10_000),
  });
  return {code, ...said};
}

test('delete -a says which key it cannot name, and ends', async () => {
  await putOdd(3, 1);
  expect(await sdp('delete', '-a', 'prefix', '--yes')).toMatchObject({code: 1, err: expect.stringContaining('is there still: its name is no text')});
});

test('a key is shown on one line, and moves no cursor', async () => {
  await db.create('/pb/a\u001b[2J\n/pb/b', '{}');
  expect(await sdp('list', '-q', 'pb')).toEqual({code: 0, out: `/${count}/pb/a\\x1b[2J\\n/pb/b\n`, err: ''});
});
