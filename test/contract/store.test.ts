import {SimulatedEtcd} from '../support/simulated-etcd/simulated-etcd.ts';
import type {SimulatedEtcdOptions} from '../support/simulated-etcd/simulated-etcd.ts';
import {SimulatedLink} from '../support/simulated-etcd/simulated-link.ts';
import {SimulatedMember} from '../support/simulated-etcd/simulated-member.ts';
import {inVirtualTime} from '../support/virtual-time/in-virtual-time.ts';
import {describeStore} from './store.ts';
import type {Way, WithEtcd} from './store/test-bed.ts';

function simulated(options: Partial<SimulatedEtcdOptions> = {}): WithEtcd {
  return (body) =>
    inVirtualTime(1, async (time, random) => {
      const etcd = new SimulatedEtcd({time, random, ...options});
      let ways = 0;
      const way = (): Promise<Way> => {
        const link = new SimulatedLink(etcd, undefined, () => 0.2 + random() * 2, random);
        return Promise.resolve(wayOver(link, `http://simulated-${++ways}`));
      };
      const [kill, restart] = [() => Promise.resolve(etcd.crash()), () => Promise.resolve(etcd.restart())];
      await body({way, kill, restart});
    });
}

function wayOver(link: SimulatedLink, endpoint: string): Way {
  return {
    endpoint,
    openMember: () => new SimulatedMember(endpoint, link),
    get accepted() {
      return link.accepted;
    },
    get open() {
      return link.open;
    },
    set: (direction, mode) => link.set(direction, mode),
    heal: () => link.heal(),
    blackhole: () => link.blackhole(),
    refuse: () => link.refuse(),
    loseReplies: (done) => link.loseReplies(done),
    cutAll: () => link.cutAll(),
    stop: () => Promise.resolve(),
  };
}

describeStore('a model of etcd', simulated());
describeStore('a model of an etcd whose progress notices are not in order', simulated({version: '3.4.23'}));
