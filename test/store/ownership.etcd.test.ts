import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {ownerKey, stateKey} from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {storeNode} from '../support/store-node.ts';

let etcd: TestEtcd;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
});
afterAll(() => etcd.stop());

test('a process that was paused beyond its TTL makes no accepted write when it goes on', async () => {
  const next = storeNode({endpoints: [etcd.endpoint], ttlSeconds: 5});
  await next.watch();
  await next.lead();
  const child = spawn(process.execPath, [fileURLToPath(new URL('paused-writer.ts', import.meta.url)), etcd.endpoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const lines = (verb: string): string[] =>
      output
        .split('\n')
        .filter((line) => line.startsWith(`${verb} `))
        .map((line) => line.slice(verb.length + 1));
    await eventually(() => expect(lines('wrote').length).toBeGreaterThan(20), {timeoutMs: 20_000});
    child.kill('SIGSTOP');
    // Its lease runs out, and another takes over.
    await eventually(async () => (await next.ownership.campaign(ownerKey('s1'))).kind === 'elected', {timeoutMs: 10_000});
    const takenAt = (await next.store.get(ownerKey('s1')))?.createRevision as number;
    child.kill('SIGCONT');
    await once(child, 'exit');
    expect(lines('refused').at(-1)).toBe('not_owner');
    expect(lines('wrote').filter((revision) => Number(revision) > takenAt)).toEqual([]);
    expect((await next.store.get(stateKey('s1')))?.modRevision).toBeLessThan(takenAt);
  } finally {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await next.stop();
  }
});
