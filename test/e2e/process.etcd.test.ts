import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createServer} from 'node:net';
import type {AddressInfo} from 'node:net';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {loadConfig} from '../../src/config.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {openDatabase} from '../../src/store/open.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

let etcd: TestEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.stop();
});

/** Runs scanplane until it ends by itself; what it says on standard error. */
async function run(args: readonly string[], settings: Readonly<Record<string, string>>): Promise<{code: number | null; words: string}> {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const env = {PATH: process.env['PATH'], SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_LOG_LEVEL: 'silent', ...settings};
  const child = spawn(process.execPath, [main, ...args], {env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 20_000, killSignal: 'SIGKILL'});
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return {code, words};
}

test('a process whose API cannot listen ends with an error and says why', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  try {
    const {port} = taken.address() as AddressInfo;
    const {code, words} = await run(['up'], {SCANPLANE_API_PORT: String(port), SCANPLANE_TTL_SECONDS: '2'});
    expect({code, words}).toEqual({code: 1, words: expect.stringContaining('EADDRINUSE') as string});
    // The other half of the process has handed over: nothing of it waits for a lease to run out.
    expect(await etcd.etcdctl(['get', '--prefix', '--keys-only', '/replica/'])).toBe('');
  } finally {
    taken.close();
  }
});

test('a replica that is told to stop before it has begun ends', async () => {
  const config = loadConfig({SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_TTL_SECONDS: '2'});
  const database = openDatabase(config.etcd, silentLog);
  const closing = new AbortController();
  const watching = database.cache.run(closing.signal);
  await database.cache.ready();
  const options = {replica: 'r1', database, engines: new Map(), scannerAddress: '', config, clock: systemClock, log: silentLog};
  await runReplica(options, AbortSignal.abort());
  closing.abort();
  await watching;
  database.members.close();
});

test('a process that does not know the database’s schema ends and says so', async () => {
  await etcd.etcdctl(['put', '/meta', '{"cluster_id":"c","epoch":1,"schema_version":99}']);
  const {code, words} = await run(['api'], {});
  expect({code, words}).toEqual({code: 1, words: expect.stringContaining('schema version 99') as string});
});
