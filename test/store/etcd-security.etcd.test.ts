import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import pino from 'pino';
import {afterAll, describe, expect, test} from 'vitest';
import {sleep} from '../../src/lib/sleep.ts';
import {keepCertificates, readCertificates} from '../../src/store/certificates.ts';
import {within} from '../../src/store/etcd-member.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import type {WatchStream} from '../../src/store/etcd-member.ts';
import type {EtcdEndpoints} from '../../src/store/grpc-member.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function open(options: EtcdEndpoints, prefix = ''): {members: EtcdMembers; store: EtcdStore} {
  const members = new EtcdMembers(options);
  cleanups.push(() => members.close());
  return {members, store: new EtcdStore(members, {prefix, connectTimeoutMs: 1500, readTimeoutMs: 2000})};
}

const put = (key: string) => ({compares: [], ops: [{put: key, value: 'x'}]});

/** A certificate authority, a server's and a client's certificate, as files; `undefined` where there is no openssl. */
function certificates(): {folder: string; ca: Buffer; cert: Buffer; key: Buffer; strangeCa: Buffer} | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'scanplane-tls-'));
  cleanups.push(() => rmSync(folder, {recursive: true, force: true}));
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, {cwd: folder, stdio: 'ignore'});
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  try {
    for (const ca of ['ca', 'strange']) {
      openssl('req', '-x509', ...ec, '-keyout', `${ca}.key`, '-out', `${ca}.crt`, '-days', '2', '-subj', `/CN=${ca}`);
    }
    writeFileSync(join(folder, 'ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n');
    for (const name of ['server', 'client', 'renewed', 'stranger']) {
      openssl('req', ...ec, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      const ca = name === 'stranger' ? 'strange' : 'ca';
      const sign = ['-CA', `${ca}.crt`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
      openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...sign);
    }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw err;
  }
  const read = (name: string): Buffer => readFileSync(join(folder, name));
  return {folder, ca: read('ca.crt'), cert: read('client.crt'), key: read('client.key'), strangeCa: read('strange.crt')};
}

describe('TLS', () => {
  const files = certificates();
  if (files === undefined) console.error('SKIPPED: the TLS tests need the openssl command, which is not on this machine');

  const startSecureEtcd = async (folder: string): Promise<TestEtcd> => {
    const args = ['--cert-file', 'server.crt', '--key-file', 'server.key', '--trusted-ca-file', 'ca.crt'].map((arg) =>
      arg.startsWith('--') ? arg : join(folder, arg),
    );
    const etcd = await startEtcd({unsafeNoFsync: true, scheme: 'https', args: [...args, '--client-cert-auth']});
    cleanups.push(() => etcd.stop());
    return etcd;
  };

  test.skipIf(files === undefined)(
    'a client with the authority and its own certificate is served; others are not, and are told unavailable (needs openssl)',
    async () => {
      if (files === undefined) return;
      const etcd = await startSecureEtcd(files.folder);
      const {ca, cert, key} = files;
      const {store} = open({endpoints: [etcd.endpoint], ca, cert, key});
      await eventually(async () => (await store.commit(put('/tls'))).ok, {timeoutMs: 10_000});
      expect((await store.get('/tls'))?.value.toString()).toBe('x');
      // As etcdctl: certificates mean TLS, where the endpoint does not say.
      const plain = open({endpoints: [etcd.endpoint.replace('https://', '')], ca, cert, key});
      expect((await plain.store.get('/tls'))?.value.toString()).toBe('x');

      const strange = open({endpoints: [etcd.endpoint], ca: files.strangeCa, cert, key});
      await expect(strange.store.commit(put('/no'))).rejects.toMatchObject({code: 'unavailable'});
      const nameless = open({endpoints: [etcd.endpoint], ca});
      await expect(nameless.store.get('/no')).rejects.toMatchObject({code: 'unavailable'});
    },
  );

  test.skipIf(files === undefined)(
    'certificates that are replaced are shown without a restart, if etcd takes them; else those before are (needs openssl)',
    async () => {
      if (files === undefined) return;
      const {folder} = files;
      const etcd = await startSecureEtcd(folder);
      const live = {cacert: join(folder, 'ca.crt'), cert: join(folder, 'live.crt'), key: join(folder, 'live.key')};
      const show = (name: string): void => {
        copyFileSync(join(folder, `${name}.crt`), live.cert);
        copyFileSync(join(folder, `${name}.key`), live.key);
      };
      const said: string[] = [];
      const log = pino({}, {write: (line: string) => void said.push((JSON.parse(line) as {msg: string}).msg)});

      show('stranger');
      const {store, members} = open({endpoints: [etcd.endpoint], ...readCertificates(live)});
      keepCertificates(members, live, log, 50);
      await expect(store.commit(put('/renewed'))).rejects.toMatchObject({code: 'unavailable'});
      show('client');
      await eventually(async () => expect((await store.commit(put('/renewed'))).ok).toBe(true), {timeoutMs: 10_000});

      show('stranger');
      await eventually(() => expect(said.at(-1)).toContain('is of no use'), {timeoutMs: 10_000});
      expect((await store.commit(put('/renewed'))).ok).toBe(true);
      copyFileSync(join(folder, 'renewed.crt'), live.cert); // Not yet its key.
      await eventually(() => expect(said.filter((each) => each.includes('is of no use')).length).toBeGreaterThan(1), {timeoutMs: 10_000});
      show('renewed');
      await eventually(() => expect(said.at(-1)).toContain('is in use'), {timeoutMs: 10_000});
      expect((await store.commit(put('/renewed'))).ok).toBe(true);

      expect(() => readCertificates({cacert: join(folder, 'no.crt')})).toThrow('no.crt');
      expect(() => readCertificates({...live, key: join(folder, 'client.key')})).toThrow('are of no use');
    },
  );
});

describe('user and password', () => {
  async function etcdWithUsers(ttlSeconds: number): Promise<TestEtcd> {
    const etcd = await startEtcd({unsafeNoFsync: true, args: ['--auth-token', 'simple', '--auth-token-ttl', String(ttlSeconds)]});
    cleanups.push(() => etcd.stop());
    await etcd.etcdctl(['user', 'add', 'root:secret']);
    await etcd.etcdctl(['user', 'grant-role', 'root', 'root']);
    await etcd.etcdctl(['user', 'add', 'icecube:pass']);
    await etcd.etcdctl(['role', 'add', 'icecube']);
    await etcd.etcdctl(['role', 'grant-permission', 'icecube', '--prefix=true', 'readwrite', '/icecube/']);
    await etcd.etcdctl(['user', 'grant-role', 'icecube', 'icecube']);
    await etcd.etcdctl(['auth', 'enable']);
    return etcd;
  }

  test('a user does what its role allows; everything else is forbidden', async () => {
    const etcd = await etcdWithUsers(300);
    const {store, members} = open({endpoints: [etcd.endpoint], user: 'icecube', password: 'pass'}, '/icecube');
    expect((await store.commit(put('/a'))).ok).toBe(true);
    expect((await store.get('/a'))?.value.toString()).toBe('x');
    expect(await store.currentRevision()).toBeGreaterThan(1);
    const outside = new EtcdStore(members);
    await expect(outside.commit(put('/elsewhere'))).rejects.toMatchObject({code: 'forbidden'});
    await expect(outside.get('/elsewhere')).rejects.toMatchObject({code: 'forbidden'});

    expect((await open({endpoints: [etcd.endpoint], user: 'icecube:pass'}, '/icecube').store.get('/a'))?.value.toString()).toBe('x');
    const wrong = open({endpoints: [etcd.endpoint], user: 'icecube', password: 'wrong'}, '/icecube');
    await expect(wrong.store.commit(put('/a'))).rejects.toMatchObject({code: 'forbidden'});
    const nobody = open({endpoints: [etcd.endpoint]}, '/icecube');
    await expect(nobody.store.commit(put('/a'))).rejects.toMatchObject({code: 'forbidden'});
  });

  test('reads, writes, watches and leases go on after tokens have expired (E13)', async () => {
    const etcd = await etcdWithUsers(1);
    const {store, members} = open({endpoints: [etcd.endpoint], user: 'icecube', password: 'pass'}, '/icecube');
    await store.commit(put('/a'));
    // etcd forgets a token a second after its last use, and looks once a second. Asking whether it has would be a use.
    const untilExpired = async (): Promise<void> => sleep(2600);
    await untilExpired();
    // Streams cannot log in again by themselves: whoever opens one looks at the reason and forgets the token.
    const created = (stream: WatchStream): Promise<string> =>
      new Promise((resolve, reject) => {
        stream.on('error', reject);
        stream.on('data', (response) => resolve(response.canceled ? response.cancelReason : 'watching'));
        stream.write({create: {key: Buffer.from('/icecube/'), rangeEnd: Buffer.from('/icecube0')}});
      });
    const stale = await members.preferred.watch();
    expect(await created(stale)).not.toBe('watching');
    stale.cancel();
    members.preferred.forgetToken();
    const fresh = await members.preferred.watch();
    expect(await created(fresh)).toBe('watching');
    fresh.cancel();

    await untilExpired();
    expect((await store.commit(put('/b'))).ok).toBe(true);
    const entry = await store.get('/b');
    expect(entry?.createRevision).toBe(entry?.modRevision);
    await untilExpired();
    const [read, grant] = await Promise.all([store.get('/b'), members.preferred.lease.leaseGrant({TTL: 10}, within(1000))]);
    expect(read?.value.toString()).toBe('x');
    expect(grant.ID).not.toBe('0');
  });

  test('credentials for an etcd without authentication are ignored, and used once it is switched on', async () => {
    const etcd = await startEtcd({unsafeNoFsync: true});
    cleanups.push(() => etcd.stop());
    const {store} = open({endpoints: [etcd.endpoint], user: 'root', password: 'secret'});
    expect((await store.commit(put('/a'))).ok).toBe(true);
    await etcd.etcdctl(['user', 'add', 'root:secret']);
    await etcd.etcdctl(['user', 'grant-role', 'root', 'root']);
    await etcd.etcdctl(['auth', 'enable']);
    expect((await store.commit(put('/b'))).ok).toBe(true);
    await etcd.etcdctl(['--user', 'root:secret', 'auth', 'disable']);
    expect((await store.commit(put('/c'))).ok).toBe(true);
  });
});
