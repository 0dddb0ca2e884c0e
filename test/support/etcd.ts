import {execFile, spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {rmSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {must} from '../../src/lib/assert.ts';
import {freePort} from '../../src/cli/ports.ts';
import {findEtcd} from '../../scripts/etcd-binary.mjs';
import {useExternalEtcd} from './etcd-external.ts';

const run = promisify(execFile);
type EtcdBinaries = NonNullable<ReturnType<typeof findEtcd>>;

export interface EtcdOptions {
  /** `--quota-backend-bytes` */
  readonly quotaBytes?: number;
  /** Further command line arguments. */
  readonly args?: readonly string[];
  /** Turns fsync off (where the binary can) for tests that are about anything else. */
  readonly unsafeNoFsync?: boolean;
  /** `https` with these arguments given in `args`; default `http`. */
  readonly scheme?: 'http' | 'https';
}

/** A private etcd member on loopback, with its own data. */
export interface TestEtcd {
  readonly endpoint: string;
  readonly pid: number;
  /** Runs etcdctl (API 3) against it and returns what it printed. */
  etcdctl(args: readonly string[], input?: string): Promise<string>;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, and wait until it is gone. The data stay. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Starts it on what this snapshot holds (`etcdctl snapshot save`) in the place of its data, as after a disaster. */
  restore(snapshot: string): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/**
 * Starts a private etcd and resolves when it answers.
 *
 * In this order: the one that `SCANPLANE_TEST_ETCD` names, an `etcd` binary, a container.
 */
export async function startEtcd(options: EtcdOptions = {}): Promise<TestEtcd> {
  const named = process.env['SCANPLANE_TEST_ETCD'];
  const extra = [...(options.quotaBytes === undefined ? [] : ['--quota-backend-bytes', String(options.quotaBytes)]), ...(options.args ?? [])];
  if (named) {
    if (extra.length > 0) throw new Error('this test needs an etcd of its own; run it without SCANPLANE_TEST_ETCD');
    return useExternalEtcd(named);
  }
  const binaries = findEtcd();
  if (binaries === undefined) {
    if (options.scheme === 'https') throw new Error('this test needs an etcd binary; run it with `npm test`, which gets one where it can');
    const {startEtcdContainer} = await import('./etcd-container.ts'); // its library is large, and seldom needed
    return startEtcdContainer(await freePort(), extra);
  }
  return startBinary(binaries, options, extra);
}

const ATTEMPTS = 3;

/** Somebody may take a port between its choice and etcd's start: then others are tried. */
async function startBinary(binaries: EtcdBinaries, options: EtcdOptions, extra: readonly string[]): Promise<TestEtcd> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(binaries, options, extra);
    } catch (err) {
      if (attempt === ATTEMPTS) throw err;
    }
  }
}

async function startOnce(binaries: EtcdBinaries, options: EtcdOptions, extra: readonly string[]): Promise<TestEtcd> {
  const data = await mkdtemp(join(tmpdir(), 'scanplane-etcd-'));
  const scheme = options.scheme ?? 'http';
  const client = `${scheme}://127.0.0.1:${await freePort()}`;
  const peer = `http://127.0.0.1:${await freePort()}`;
  const args = [
    ...['--name', 'm', '--data-dir', data, '--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `m=${peer}`],
    ...['--log-level', 'error', '--logger', 'zap'],
    ...extra,
    ...(options.unsafeNoFsync ? ['--unsafe-no-fsync'] : []),
  ];
  let child: ChildProcess = launch();
  const reap = (): void => {
    child.kill('SIGKILL');
    rmSync(data, {recursive: true, force: true, maxRetries: 3});
  };
  process.once('exit', reap); // a test run that is interrupted leaves none behind

  function launch(): ChildProcess {
    return spawn(binaries.etcd, args, {
      stdio: 'ignore',
      env: {PATH: process.env['PATH'], HOME: process.env['HOME'], ETCD_UNSUPPORTED_ARCH: process.arch},
    });
  }

  async function etcdctl(command: readonly string[], input?: string): Promise<string> {
    const promise = run(binaries.etcdctl, ['--endpoints', client, ...command], {env: {...process.env, ETCDCTL_API: '3'}, maxBuffer: 1 << 28});
    if (input !== undefined) promise.child.stdin?.end(input);
    return (await promise).stdout;
  }

  async function untilReady(): Promise<void> {
    const deadline = performance.now() + 20_000;
    const url = new URL(client);
    for (;;) {
      const {connect} = await import('node:net');
      const open = await new Promise<boolean>((resolve) => {
        const socket = connect(Number(url.port), url.hostname, () => resolve(true));
        socket.on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      });
      if (
        open &&
        (scheme === 'https' ||
          (await fetch(`${client}/health`).then(
            (r) => r.ok,
            () => false,
          )))
      )
        return;
      if (performance.now() > deadline || child.exitCode !== null) throw new Error('etcd did not start');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  try {
    await untilReady();
  } catch (err) {
    process.off('exit', reap);
    reap();
    throw err;
  }
  return {
    endpoint: client,
    get pid() {
      return must(child.pid, 'etcd has a pid');
    },
    etcdctl,
    signal: (signal) => void child.kill(signal),
    kill,
    restart: async () => {
      await kill();
      child = launch();
      await untilReady();
    },
    restore: async (snapshot) => {
      await kill();
      await rm(data, {recursive: true, force: true});
      const member = ['--name', 'm', '--data-dir', data, '--initial-advertise-peer-urls', peer, '--initial-cluster', `m=${peer}`];
      await etcdctl(['snapshot', 'restore', snapshot, ...member]);
      child = launch();
      await untilReady();
    },
    stop: async () => {
      await kill();
      process.off('exit', reap);
      await rm(data, {recursive: true, force: true});
    },
  };
}
