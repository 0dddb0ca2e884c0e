import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {newEventId} from '../../src/schema/ids.ts';
import {eventKey} from '../../src/schema/keys.ts';
import {startBenchEtcd} from '../lib/etcd.ts';
import {msBetween} from '../lib/machine.ts';
import {startProcess} from '../lib/remote.ts';
import type {Started} from '../lib/remote.ts';
import type {Family, Row, Sample} from '../lib/row.ts';
import {CLUSTER, requestBody} from '../lib/sample-scan.ts';
import {quantile} from '../lib/stats.ts';
import type {HttpLoad} from '../processes/http-load.ts';
import type {BenchReplica} from '../processes/replica.ts';

const EVERY_MS = 15;
const SETTLE_MS = 1000;

const against = 'raw etcd3 put → event, the other side of A B B A';
const row = (id: string, title: string, targets: Pick<Row, 'pass' | 'stretch'>): Row => ({
  ...{id, title, against, unit: 'ms', better: 'lower', judged: 'median'},
  ...targets,
});

/** L: from before a POST is sent until the engine is asked to run the scan's first job, in an otherwise idle system. */
export const latency: Family = {
  name: 'latency',
  rows: [
    row('L1.p50', 'POST sent → launch called, one replica, median', {pass: 3, stretch: 2.3}),
    row('L1.p99', 'POST sent → launch called, one replica, p99', {pass: 2.5, stretch: 1.8}),
    row('L1x3.p50', 'POST sent → launch called, three replicas, median', {}),
    row('L1x3.p99', 'POST sent → launch called, three replicas, p99', {}),
  ],

  async round({isQuick, progress, wants}): Promise<readonly Sample[]> {
    const samples: Sample[] = [];
    for (const replicas of [1, 3]) {
      const id = replicas === 1 ? 'L1' : 'L1x3';
      if (!wants(`${id}.p50`) && !wants(`${id}.p99`)) continue;
      progress(`${replicas === 1 ? 'one replica' : 'three replicas'}, A B B A`);
      const {a, b} = await measure(replicas, isQuick ? 150 : 300);
      for (const [name, q] of [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const) {
        samples.push({id: `${id}.${name}`, a: a.map((values) => quantile(values, q)), b: b.map((values) => quantile(values, q))});
      }
    }
    return samples;
  },
};

async function measure(replicas: number, count: number): Promise<{a: readonly ArrayLike<number>[]; b: readonly ArrayLike<number>[]}> {
  const bench = await startBenchEtcd();
  const load = await startProcess<HttpLoad>('http-load.ts');
  const started: Started<BenchReplica>[] = [];
  try {
    const eventId = newEventId();
    await bench.raw.call.put(eventKey(eventId), canonicalJson({json_dict: {a: 22}}));
    let port = 0;
    for (let n = 0; n < replicas; n++) {
      const replica = await startProcess<BenchReplica>('replica.ts', NODE_FLAGS);
      started.push(replica);
      const settings = {endpoint: bench.etcd.endpoint, cluster: CLUSTER, capacity: 1_000_000, ttlSeconds: 10, hasApi: n === 0};
      port = (await replica.call.start(settings)).port || port;
    }
    const target = {port, method: 'POST', path: '/scan', body: requestBody(eventId)};

    const launched = async (): Promise<Map<string, bigint>> => {
      const all = new Map<string, bigint>();
      for (const replica of started) for (const [id, at] of await replica.call.launches()) all.set(id, at);
      return all;
    };
    const a = async (): Promise<readonly number[]> => {
      for (const replica of started) await replica.call.forget();
      const sent = await load.call.paced(target, count, EVERY_MS);
      await settle();
      const at = await launched();
      const taken = sent.map(({body, sentNs}) => {
        const {scan_id: id} = JSON.parse(body) as {scan_id: string};
        const ns = at.get(id);
        if (ns === undefined) throw new Error(`scan ${id} was not launched within ${SETTLE_MS} ms`);
        return msBetween(sentNs, ns);
      });
      // Scans that run are looked at now and then; idle means none.
      await bench.raw.call.removeAll('/scan/');
      await settle();
      return taken;
    };
    const b = (): Promise<Float64Array> => bench.raw.call.roundTrips(bench.etcd.endpoint, 'x'.repeat(500), count, EVERY_MS);

    await load.call.paced(target, 50, EVERY_MS); // warm-up
    await settle();
    await bench.raw.call.removeAll('/scan/');
    await settle();
    await bench.raw.call.roundTrips(bench.etcd.endpoint, 'x', 50, EVERY_MS);
    const [a1, b1, b2, a2] = [await a(), await b(), await b(), await a()];
    return {a: [a1, a2], b: [b1, b2]};
  } finally {
    for (const replica of started) await replica.kill();
    await load.kill();
    await bench.stop();
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
