import {describe, expect} from 'vitest';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {EtcdMember} from '../../../src/store/etcd-member.ts';
import type {EtcdStore} from '../../../src/store/etcd-store.ts';
import {PrefixWatch} from '../../../src/store/watch-stream.ts';
import type {WatchEnd} from '../../../src/store/watch-stream.ts';
import type {WatchEvent} from '../../../src/store/wire/watch-messages.ts';
import {eventually} from '../../support/eventually.ts';
import type {BedTest, TestBed, Way} from './test-bed.ts';

/** A watch through the proxy, and what it has handed on. */
class Follower {
  readonly revisions: {readonly revision: number; readonly events: readonly WatchEvent[]}[] = [];
  progress = 0;
  readonly watch: PrefixWatch;
  readonly store: EtcdStore;
  readonly #stop = new AbortController();
  readonly #from: number;
  readonly #prefix: string;
  #end: Promise<WatchEnd> | undefined;

  constructor(bed: TestBed, way: Way, prefix: string, from: number) {
    this.store = bed.store({}, way);
    bed.defer(() => this.stop());
    this.watch = new PrefixWatch(prefix, {store: this.store, clock: systemClock, log: silentLog, timings: {idleMs: 200, answerMs: 800}});
    this.#prefix = prefix;
    this.#from = from;
  }

  start(): this {
    this.#end = this.watch.follow(
      this.#from,
      {
        onRevision: (revision, events) => this.revisions.push({revision, events}),
        onProgress: (revision) => (this.progress = Math.max(this.progress, revision)),
        onBehind: () => {},
      },
      this.#stop.signal,
    );
    return this;
  }

  get member(): EtcdMember {
    return this.store.members.preferred;
  }

  get keys(): string[] {
    expect(this.revisions.every(({events}) => events[0]?.kv.key.startsWith(this.#prefix))).toBe(true);
    return this.revisions.flatMap(({events}) => events.map(({kv}) => kv.key));
  }

  get end(): Promise<WatchEnd> | undefined {
    return this.#end;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#end;
  }
}

export function watching(test: BedTest): void {
  describe('a watch', () => {
    test('no event is lost when the stream breaks again and again between `created` and the events', async (bed) => {
      const proxy = await bed.way();
      const expected = Array.from({length: 50}, (_, i) => `/e1/${i}`);
      let first = 0;
      for (const key of expected) {
        const revision = await bed.put(key);
        first ||= revision;
      }
      const follower = new Follower(bed, proxy, '/e1/', first);
      let cuts = 0;
      const {member} = follower;
      const open = member.watch.bind(member);
      member.watch = async () => {
        const stream = await open();
        stream.on('data', (response) => {
          // etcd sends events of the past up to 100 ms after this reply.
          if (!response.created || cuts >= 4) return;
          cuts += 1;
          proxy.cutAll();
        });
        return stream;
      };
      follower.start();
      try {
        await eventually(() => follower.keys.length >= expected.length, {timeoutMs: 10_000});
        expect(cuts).toBe(4);
        expect(follower.keys).toEqual(expected);
      } finally {
        await follower.stop();
      }
    });

    test('a broken stream goes on where the last handed-on revision ended, with nothing twice', async (bed) => {
      const proxy = await bed.way();
      const follower = new Follower(bed, proxy, '/cut/', (await bed.put('elsewhere')) + 1).start();
      try {
        const expected: string[] = [];
        for (let i = 0; i < 60; i++) {
          await bed.put(`/cut/${i}`);
          expected.push(`/cut/${i}`);
          if (i % 15 === 7) proxy.cutAll(true);
        }
        await eventually(() => follower.keys.length >= expected.length, {timeoutMs: 10_000});
        expect(follower.keys).toEqual(expected);
        expect(follower.watch.connects).toBeGreaterThan(1);
      } finally {
        await follower.stop();
      }
    });

    test('a catch-up of more than 4 MiB in a thousand revisions arrives whole', async (bed) => {
      const proxy = await bed.way();
      const value = 'v'.repeat(8192);
      const first = await bed.put('/e2/0', value);
      for (let i = 1; i < 1001; i += 50) {
        await Promise.all(Array.from({length: Math.min(50, 1001 - i)}, (_, n) => bed.put(`/e2/${i + n}`, value)));
      }
      const follower = new Follower(bed, proxy, '/e2/', first).start();
      try {
        await eventually(() => follower.keys.length >= 1001, {timeoutMs: 15_000});
        expect(new Set(follower.keys).size).toBe(1001);
        expect(follower.revisions.map(({revision}) => revision)).toEqual(Array.from({length: 1001}, (_, i) => first + i));
        expect(follower.watch.connects).toBe(1);
      } finally {
        await follower.stop();
      }
    });

    test('one revision that etcd sends in several fragments is handed on in one piece', async (bed) => {
      const proxy = await bed.way();
      // Long keys, since the events of a deletion carry nothing else; few, since etcd 3.4 takes quadratic time to cut.
      const tail = 'k'.repeat(2000);
      const names = Array.from({length: 1500}, (_, i) => `/frag/${i}/${tail}`);
      for (let i = 0; i < names.length; i += 100) {
        await bed.outside.commit({compares: [], ops: names.slice(i, i + 100).map((key) => ({put: key, value: ''}))});
      }
      const follower = new Follower(bed, proxy, '/frag/', (await bed.put('elsewhere')) + 1);
      let fragments = 0;
      const {member} = follower;
      const open = member.watch.bind(member);
      member.watch = async () => {
        const stream = await open();
        stream.on('data', (response) => {
          if (response.fragment) fragments += 1;
        });
        return stream;
      };
      follower.start();
      try {
        await eventually(() => follower.progress > 0);
        const {revision} = await bed.outside.commit({compares: [], ops: [{deletePrefix: '/frag/'}]});
        await eventually(() => follower.revisions.length > 0, {timeoutMs: 10_000});
        expect(fragments).toBeGreaterThan(0);
        expect(follower.revisions).toHaveLength(1);
        expect(follower.revisions[0]?.revision).toBe(revision);
        expect(follower.revisions[0]?.events).toHaveLength(names.length);
        expect(follower.revisions[0]?.events.every(({kind}) => kind === 'delete')).toBe(true);
      } finally {
        await follower.stop();
      }
    });

    test('a compaction of what is still to come ends the watch, and says so', async (bed) => {
      const proxy = await bed.way();
      const from = await bed.put('/gone/1');
      await bed.put('/gone/2');
      await bed.compact(await bed.put('elsewhere'));
      const follower = new Follower(bed, proxy, '/gone/', from).start();
      try {
        expect(await follower.end).toBe('compacted');
        expect(follower.revisions).toEqual([]);
      } finally {
        await follower.stop();
      }
    });

    test('a member that falls silent is left: the watch goes on when there is an answer again', async (bed) => {
      const proxy = await bed.way();
      const follower = new Follower(bed, proxy, '/silent/', (await bed.put('elsewhere')) + 1).start();
      try {
        await eventually(() => follower.progress > 0);
        proxy.blackhole();
        await bed.put('/silent/1');
        // It must come to an end by itself, and be tried again, though nothing ever closed the connection.
        await eventually(() => follower.watch.connects >= 2, {timeoutMs: 10_000});
        proxy.cutAll();
        proxy.heal();
        await eventually(() => follower.keys.length === 1, {timeoutMs: 10_000});
      } finally {
        proxy.heal();
        await follower.stop();
      }
    });

    test('while etcd is away the watch tries at most ten times a second', async (bed) => {
      const proxy = await bed.way();
      const follower = new Follower(bed, proxy, '/away/', (await bed.put('elsewhere')) + 1).start();
      try {
        await eventually(() => follower.progress > 0);
        proxy.refuse();
        const before = follower.watch.connects;
        const startedAt = performance.now();
        await eventually(() => follower.watch.connects >= before + 3, {timeoutMs: 10_000});
        const tried = follower.watch.connects - before;
        expect(tried / (performance.now() - startedAt)).toBeLessThanOrEqual(12 / 1000 + 1 / (performance.now() - startedAt));
        proxy.heal();
        await bed.put('/away/1');
        await eventually(() => follower.keys.length === 1, {timeoutMs: 10_000});
      } finally {
        proxy.heal();
        await follower.stop();
      }
    });
  });
}
