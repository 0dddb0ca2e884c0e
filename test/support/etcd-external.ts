import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {findEtcd} from '../../scripts/etcd-binary.mjs';
import type {TestEtcd} from './etcd.ts';

const run = promisify(execFile);
const base64 = (text: string): string => Buffer.from(text).toString('base64');
/** Says that an etcd is there for tests. Keys of tests start with `/` or `~`, so it sorts apart from them. */
const MARK = '!scanplane-test';

/**
 * An etcd that runs already: `SCANPLANE_TEST_ETCD`. All its keys are deleted for each test file, so one that holds keys and was never used for tests is refused.
 *
 * What needs an etcd of its own (a kill, a pause, its own arguments) fails, and says so.
 */
export async function useExternalEtcd(endpoint: string): Promise<TestEtcd> {
  const call = async (path: string, body: object): Promise<{count?: string}> => {
    const answer = await fetch(`${endpoint}/v3/kv/${path}`, {method: 'POST', body: JSON.stringify(body)});
    if (!answer.ok) throw new Error(`SCANPLANE_TEST_ETCD ${endpoint} answered ${answer.status}`);
    return (await answer.json()) as {count?: string};
  };
  const everything = {key: base64('\0'), range_end: base64('\0')};
  const marked = await call('range', {key: base64(MARK), count_only: true});
  const all = await call('range', {...everything, count_only: true});
  if (marked.count === undefined && all.count !== undefined) {
    throw new Error(`SCANPLANE_TEST_ETCD ${endpoint} holds ${all.count} keys that are not of tests: give an empty one, since tests delete all keys`);
  }
  await call('deleterange', everything);
  await call('put', {key: base64(MARK), value: base64('tests delete all keys here')});

  const ownOnly = (): never => {
    throw new Error('this test needs an etcd of its own; run it without SCANPLANE_TEST_ETCD');
  };
  return {
    endpoint,
    get pid() {
      return ownOnly();
    },
    etcdctl: async (command, input) => {
      const etcdctl = findEtcd()?.etcdctl ?? 'etcdctl';
      const promise = run(etcdctl, ['--endpoints', endpoint, ...command], {env: {...process.env, ETCDCTL_API: '3'}, maxBuffer: 1 << 28});
      if (input !== undefined) promise.child.stdin?.end(input);
      return (await promise).stdout;
    },
    signal: ownOnly,
    kill: async () => ownOnly(),
    restart: async () => ownOnly(),
    restore: async () => ownOnly(),
    stop: async () => undefined,
  };
}
