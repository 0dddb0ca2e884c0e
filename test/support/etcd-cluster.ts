import {freePort} from '../../src/cli/ports.ts';
import {startEtcd} from './etcd.ts';
import type {TestEtcd} from './etcd.ts';

/** A private etcd of three members on loopback. */
export interface TestEtcdCluster {
  readonly members: readonly TestEtcd[];
  readonly endpoints: readonly string[];
  /** The member that leads, and those that follow. */
  roles(): Promise<{readonly leader: TestEtcd; readonly followers: readonly TestEtcd[]}>;
  stop(): Promise<void>;
}

/** Starts three members and resolves when all of them answer. */
export async function startEtcdCluster(): Promise<TestEtcdCluster> {
  const peers = await Promise.all(['a', 'b', 'c'].map(async (name) => ({name, url: `http://127.0.0.1:${await freePort()}`})));
  const initial = peers.map(({name, url}) => `${name}=${url}`).join(',');
  const members = await Promise.all(
    peers.map(({name, url}) =>
      // Given after those of a single member, and so in their place.
      startEtcd({
        unsafeNoFsync: true,
        args: [
          ...['--name', name, '--listen-peer-urls', url, '--initial-advertise-peer-urls', url],
          ...['--initial-cluster', initial, '--initial-cluster-token', initial],
        ],
      }),
    ),
  );
  return {
    members,
    endpoints: members.map(({endpoint}) => endpoint),
    roles: async () => {
      const statuses = await Promise.all(
        members.map(async (member) => {
          const [{Status}] = JSON.parse(await member.etcdctl(['endpoint', 'status', '-w', 'json'])) as [
            {Status: {leader: number; header: {member_id: number}}},
          ];
          return {member, isLeader: Status.leader === Status.header.member_id};
        }),
      );
      const leader = statuses.find(({isLeader}) => isLeader)?.member;
      if (leader === undefined) throw new Error('nobody leads');
      return {leader, followers: members.filter((member) => member !== leader)};
    },
    stop: async () => {
      for (const member of members) member.signal('SIGCONT');
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}
