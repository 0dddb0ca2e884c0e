import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {must} from '../../src/lib/assert.ts';
import {findEtcd} from '../../scripts/etcd-binary.mjs';
import {freePort} from './etcd.ts';
import {eventually} from './eventually.ts';

/** One member of a {@link TestCluster}. */
export interface TestMember {
  readonly endpoint: string;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL, and wait until it is gone. The data stay. */
  kill(): Promise<void>;
  /** Starts it again; resolves at once, since without the others it answers nothing. */
  start(): void;
  /** Whether it says that it has a leader. */
  isHealthy(): Promise<boolean>;
}

export interface TestCluster {
  readonly members: readonly TestMember[];
  stop(): Promise<void>;
}

/** Starts a private etcd of several members on loopback and resolves when all have a leader. */
export async function startEtcdCluster(size = 3): Promise<TestCluster> {
  const binaries = must(findEtcd(), 'etcd is not here; run the tests with `npm test`, which gets it');
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-cluster-'));
  const ports: {readonly client: number; readonly peer: number}[] = [];
  for (let i = 0; i < size; i += 1) ports.push({client: await freePort(), peer: await freePort()});
  const initial = ports.map(({peer}, i) => `m${i}=http://127.0.0.1:${peer}`).join(',');
  const members = ports.map(({client, peer}, i) => {
    const endpoint = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const args = [
      ...['--name', `m${i}`, '--data-dir', join(folder, `m${i}`), '--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...['--listen-peer-urls', peerUrl, '--initial-advertise-peer-urls', peerUrl, '--initial-cluster', initial],
      ...['--log-level', 'error', '--logger', 'zap', '--unsafe-no-fsync'],
    ];
    let child: ChildProcess | undefined;
    const member: TestMember = {
      endpoint,
      signal: (signal) => void child?.kill(signal),
      kill: async () => {
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
        child.kill('SIGCONT');
        child.kill('SIGKILL');
        await once(child, 'exit');
      },
      start: () => {
        child = spawn(binaries.etcd, args, {stdio: 'ignore', env: {PATH: process.env['PATH'], HOME: process.env['HOME']}});
      },
      isHealthy: async () => {
        const answer = await fetch(`${endpoint}/health`, {signal: AbortSignal.timeout(1000)}).catch(() => undefined);
        return answer?.ok === true;
      },
    };
    return member;
  });
  for (const member of members) member.start();
  const stop = async (): Promise<void> => {
    await Promise.all(members.map(async (member) => member.kill()));
    await rm(folder, {recursive: true, force: true});
  };
  try {
    await eventually(async () => (await Promise.all(members.map(async (member) => member.isHealthy()))).every(Boolean), {timeoutMs: 30_000});
  } catch (err) {
    await stop();
    throw err;
  }
  return {members, stop};
}
