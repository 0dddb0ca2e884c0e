import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {must} from '../../src/lib/assert.ts';
import {newEventId} from '../../src/schema/ids.ts';
import {eventKey, ownerKey} from '../../src/schema/keys.ts';
import {startBenchEtcd} from '../lib/etcd.ts';
import type {BenchEtcd} from '../lib/etcd.ts';
import {msBetween, nowNs} from '../lib/machine.ts';
import {startProcess} from '../lib/remote.ts';
import type {Started} from '../lib/remote.ts';
import type {Family, Sample} from '../lib/row.ts';
import {CLUSTER, waitingScan} from '../lib/sample-scan.ts';
import type {BenchReplica} from '../processes/replica.ts';

const SCANS = 10_000;
/** Scans that a survivor leads before: a replica that has been up for a while has done all this, and runs compiled code. */
const WARM_UP = 2000;
const TTL_SECONDS = 5;
/** How the raw side claims: the best of what was tried. */
const RAW_BATCH = 64;
const RAW_IN_FLIGHT = 8;
const QUIET_MS = 1500;
const SETUP_MS = 180_000;
const TAKEOVER_MS = 60_000;

/** F: one replica leads 10,000 running scans, another one is up; the first one goes. */
export const failover: Family = {
  name: 'failover',
  rows: [
    {
      id: 'F1',
      title: 'kill -9 of the owner of 10,000 scans → the last one has an owner that acts',
      against: 'TTL 5 s',
      unit: 's',
      better: 'lower',
      pass: 1.25,
      stretch: 1.16,
      judged: 'worst',
    },
    {
      id: 'F3',
      title: 'SIGTERM of the owner of 10,000 scans → the last one has an owner that acts',
      against: 'TTL 5 s',
      unit: 's',
      better: 'lower',
      pass: 0.15,
      stretch: 0.06,
      judged: 'median',
    },
    {
      id: 'F5',
      title: "10,000 owner keys gone → the survivor's last claim, after kill -9",
      against: 'raw etcd3 claims, 64 per txn, 8 in flight',
      unit: 's',
      better: 'lower',
      pass: 3,
      stretch: 1.5,
      judged: 'median',
    },
  ],

  async round({isQuick, progress, wants}): Promise<readonly Sample[]> {
    // F1 is the worst of 20 trials in a full run of 5 rounds.
    const kills = wants('F1') || wants('F5') ? (isQuick ? 2 : 4) : 0;
    const terms = wants('F3') ? (isQuick ? 2 : 3) : 0;
    const bench = await startBenchEtcd();
    let owner: Started<BenchReplica> | undefined;
    let survivor: Started<BenchReplica> | undefined;
    const start = async (): Promise<Started<BenchReplica>> => {
      const replica = await startProcess<BenchReplica>('replica.ts', NODE_FLAGS);
      await replica.call.start({endpoint: bench.etcd.endpoint, cluster: CLUSTER, capacity: 1_000_000, ttlSeconds: TTL_SECONDS, hasApi: false});
      return replica;
    };
    try {
      progress('storing 10,000 scans, one replica launches them');
      owner = await start();
      const ids = await prepare(bench, owner);
      const seconds: Record<'SIGKILL' | 'SIGTERM', number[]> = {SIGKILL: [], SIGTERM: []};
      const claimSeconds: number[] = [];
      const signals = [...Array<'SIGKILL'>(kills).fill('SIGKILL'), ...Array<'SIGTERM'>(terms).fill('SIGTERM')];
      for (const [n, signal] of signals.entries()) {
        progress(`${signal}, trial ${n + 1} of ${signals.length}`);
        survivor = await start();
        await warmUp(bench, survivor, ids.slice(0, WARM_UP));
        const {acting, claiming} = await trial(owner, survivor, signal);
        seconds[signal].push(acting);
        if (signal === 'SIGKILL') claimSeconds.push(claiming);
        await owner.ended;
        owner = survivor;
        survivor = undefined;
      }
      const samples: Sample[] = [];
      if (kills > 0) samples.push({id: 'F1', a: seconds.SIGKILL, b: [TTL_SECONDS], isTrials: true});
      if (terms > 0) samples.push({id: 'F3', a: seconds.SIGTERM, b: [TTL_SECONDS], isTrials: true});
      if (wants('F5')) {
        progress('raw claims');
        const value = must((await bench.raw.call.read('/scan/', '/owner'))[0], 'scans have owners').value;
        const raw: number[] = [];
        for (let n = 0; n < claimSeconds.length + 1; n++) raw.push(await bench.raw.call.claims(value, SCANS, RAW_BATCH, RAW_IN_FLIGHT));
        samples.push({id: 'F5', a: claimSeconds, b: raw.slice(1), isTrials: true}); // the first one warms up
      }
      return samples.filter((sample) => wants(sample.id));
    } finally {
      await owner?.kill();
      await survivor?.kill();
      await bench.stop();
    }
  },
};

/** 10,000 scans and those for the warm-up, all launched by `owner`. @returns their ids */
async function prepare(bench: BenchEtcd, owner: Started<BenchReplica>): Promise<readonly string[]> {
  const eventId = newEventId();
  await bench.raw.call.put(eventKey(eventId), canonicalJson({json_dict: {a: 22}}));
  const {ids} = await bench.raw.call.fill(waitingScan(Date.now(), eventId), SCANS + WARM_UP);
  await until('all scans are launched', SETUP_MS, async () => (await owner.call.takeover()).acted >= ids.length);
  // A busy replica writes all the time; leases are renewed without a revision.
  let last = '';
  await until('everything is recorded', SETUP_MS, async () => {
    const before = last;
    last = await bench.raw.call.revision();
    if (last !== before) await pause(QUIET_MS);
    return last === before;
  });
  return ids;
}

/** Lets a fresh replica take over some scans: their owner keys are deleted by hand, and who led them stays away for a TTL. */
async function warmUp(bench: BenchEtcd, replica: Started<BenchReplica>, ids: readonly string[]): Promise<void> {
  await bench.raw.call.remove(ids.map(ownerKey));
  await until('the replica leads the scans of the warm-up', TAKEOVER_MS, async () => (await replica.call.takeover()).acted >= ids.length);
}

/**
 * Ends `owner` by `signal`; resolves with the seconds until `survivor` owns every scan and has acted on it, and those from the first free owner key
 * to its last claim.
 */
async function trial(
  owner: Started<BenchReplica>,
  survivor: Started<BenchReplica>,
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<{acting: number; claiming: number}> {
  // The owner may have handed over a few more than those of the warm-up.
  const left = SCANS + WARM_UP - (await survivor.call.forget());
  const from = nowNs();
  owner.signal(signal);
  await until('the survivor owns every scan and acts', TAKEOVER_MS, async () => {
    const {owned, called} = await survivor.call.soFar();
    return owned >= left && called >= left && (await survivor.call.takeover()).acted >= left;
  });
  const {firstFreeNs, lastOwnNs, lastActedNs} = await survivor.call.takeover();
  return {acting: msBetween(from, lastActedNs > lastOwnNs ? lastActedNs : lastOwnNs) / 1000, claiming: msBetween(firstFreeNs, lastOwnNs) / 1000};
}

async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await pause(100);
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
