import {afterAll, beforeAll} from 'vitest';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';
import {describeStore} from './store.ts';

let etcd: TestEtcd;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
});
afterAll(() => etcd.stop());

describeStore('a real etcd', async (body) => {
  await etcd.etcdctl(['del', '', '--from-key']);
  await body({way: () => TcpProxy.start(etcd.endpoint), kill: () => etcd.kill(), restart: () => etcd.restart()});
});
