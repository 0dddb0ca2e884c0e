import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {must} from '../../src/lib/assert.ts';
import {newEventId} from '../../src/schema/ids.ts';
import {eventKey} from '../../src/schema/keys.ts';
import {startApi} from '../lib/api-process.ts';
import type {ApiProcess} from '../lib/api-process.ts';
import {startBenchEtcd} from '../lib/etcd.ts';
import type {BenchEtcd} from '../lib/etcd.ts';
import type {LoadResult} from '../lib/load.ts';
import {cpuSeconds} from '../lib/machine.ts';
import {startProcess} from '../lib/remote.ts';
import type {Started} from '../lib/remote.ts';
import type {CpuPerOperation, Family, Sample} from '../lib/row.ts';
import {requestBody} from '../lib/sample-scan.ts';
import {mean, quantile} from '../lib/stats.ts';
import type {Template} from '../lib/template.ts';
import type {HttpLoad} from '../processes/http-load.ts';

const WARM_UP_SECONDS = 2;
const MOST_WARM_UPS = 10;

/** One measured phase: how much, how fast, and what each process took for it. */
interface Phase {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly cpu: CpuPerOperation;
}

/** P: scans created, by POST through an API process against transactions that etcd3 sends one by one. */
export const throughput: Family = {
  name: 'throughput',
  rows: [
    {
      id: 'P1',
      title: 'scans created by POST, 64 connections',
      against: 'raw etcd3 create txn, 64 in flight',
      unit: '/s',
      better: 'higher',
      pass: 2.5,
      stretch: 4,
      judged: 'median',
    },
    {
      id: 'P2',
      title: 'scans created by POST, 256 connections',
      against: 'raw etcd3 create txn, 256 in flight',
      unit: '/s',
      better: 'higher',
      pass: 3,
      stretch: 5,
      judged: 'median',
    },
    {
      id: 'P6',
      title: 'POST p99, 64 connections',
      against: 'raw txn p99, 64 in flight',
      unit: 'ms',
      better: 'lower',
      pass: 0.5,
      stretch: 0.3,
      judged: 'median',
    },
  ],

  async round({isQuick, progress, wants}): Promise<readonly Sample[]> {
    const seconds = isQuick ? 2 : 4;
    // Two databases, so that what one side stores is neither watched nor kept by the other's.
    const [ours, theirs] = await Promise.all([startBenchEtcd(), startBenchEtcd()]);
    const load = await startProcess<HttpLoad>('http-load.ts');
    let api: ApiProcess | undefined;
    try {
      const eventId = newEventId();
      await ours.raw.call.put(eventKey(eventId), canonicalJson({json_dict: {a: 22}}));
      api = await startApi(ours.etcd.endpoint);
      const target = {port: api.port, method: 'POST', path: '/scan', body: requestBody(eventId)};
      const template = await storedByOne(ours, load, target);
      const a = measureA(api, ours, load, target);
      const b = measureB(theirs, template);

      progress('warming up');
      await warmUp(a, 'api', isQuick);
      await warmUp(b, 'etcd3', isQuick);
      const samples: Sample[] = [];
      for (const inFlight of [64, 256]) {
        if (inFlight === 64 ? !wants('P1') && !wants('P6') : !wants('P2')) continue;
        progress(`${inFlight} in flight, A B B A`);
        const [a1, b1, b2, a2] = [await a(inFlight, seconds), await b(inFlight, seconds), await b(inFlight, seconds), await a(inFlight, seconds)];
        const cpu = {a: meanCpu(a1, a2), b: meanCpu(b1, b2)};
        samples.push({id: inFlight === 64 ? 'P1' : 'P2', a: [a1.perSecond, a2.perSecond], b: [b1.perSecond, b2.perSecond], cpu});
        if (inFlight === 64) samples.push({id: 'P6', a: [a1.p99Ms, a2.p99Ms], b: [b1.p99Ms, b2.p99Ms]});
      }
      return samples;
    } finally {
      await api?.kill();
      await load.kill();
      await Promise.all([ours.stop(), theirs.stop()]);
    }
  },
};

/** What one POST stores: the raw side writes the same keys and values. */
export async function storedByOne(bench: BenchEtcd, load: Started<HttpLoad>, target: Parameters<HttpLoad['paced']>[0]): Promise<Template> {
  const [answer] = await load.call.paced(target, 1, 0);
  const {scan_id: id} = JSON.parse(must(answer, 'the request was answered').body) as {scan_id: string};
  const entries = await bench.raw.call.read('/', id);
  if (entries.length < 2) throw new Error(`POST stored ${entries.length} keys`);
  return {id, entries};
}

/** Runs one side until its process takes no less processor time than before: on two busy cores the compiler takes its time. */
async function warmUp(measure: Measure, process: string, isQuick: boolean): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0, stale = 0; n < (isQuick ? 2 : MOST_WARM_UPS) && stale < 2; n++) {
    const {cpu} = await measure(64, WARM_UP_SECONDS);
    const micros = must(cpu[process], 'its time is measured');
    stale = micros > best * 0.97 ? stale + 1 : 0;
    best = Math.min(best, micros);
  }
}

type Measure = (inFlight: number, seconds: number) => Promise<Phase>;

function measureA(api: ApiProcess, bench: BenchEtcd, load: Started<HttpLoad>, target: Parameters<HttpLoad['load']>[0]): Measure {
  return (inFlight, seconds) => measured({api: api.pid, etcd: bench.etcd.pid, load: load.pid}, () => load.call.load(target, inFlight, seconds));
}

function measureB(bench: BenchEtcd, template: Template): Measure {
  return (inFlight, seconds) => measured({etcd: bench.etcd.pid, etcd3: bench.raw.pid}, () => bench.raw.call.createScans(template, inFlight, seconds));
}

async function measured(pids: Readonly<Record<string, number>>, run: () => Promise<LoadResult>): Promise<Phase> {
  const before = Object.entries(pids).map(([name, pid]) => [name, pid, cpuSeconds(pid)] as const);
  const result = await run();
  if (result.failed > 0) throw new Error(`${result.failed} of ${result.failed + result.count} operations failed`);
  const cpu = Object.fromEntries(before.map(([name, pid, from]) => [name, ((cpuSeconds(pid) - from) * 1e6) / result.count]));
  return {perSecond: result.count / result.elapsedSeconds, p99Ms: quantile(result.latenciesMs, 0.99), cpu};
}

function meanCpu(one: Phase, other: Phase): CpuPerOperation {
  return Object.fromEntries(Object.entries(one.cpu).map(([name, micros]) => [name, mean([micros, other.cpu[name] ?? 0])]));
}
