import {readFileSync, readdirSync} from 'node:fs';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {LocalSystem} from '../../src/cli/local-system.ts';
import {freePort} from '../../src/cli/ports.ts';
import {findRunDirectory} from '../../src/engines/process/run-directory.ts';
import {must} from '../../src/lib/assert.ts';
import {sleep} from '../../src/lib/sleep.ts';
import {openTry} from '../../src/model/job-table.ts';
import {isTerminal} from '../../src/schema/state.ts';
import {watchOnly} from '../../src/store/open.ts';
import {Referee, judge} from './referee.ts';

const SCANS = 200;
const CAPACITY = 8;
const REPLICAS = 3;
/** Kills that must fall while so many scans run, else the run says nothing. */
const MIN_KILLS = 15;
const MIN_RUNNING = 5;
const DEADLINE_MS = 1_200_000;

test(`${SCANS} scans all complete while a random replica is killed every second, every job runs once per try, and no former owner writes`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-kill-'));
  const started = join(folder, 'started');
  const stop = new AbortController();
  const system = new LocalSystem({
    ...{
      directory: folder,
      etcdPort: await freePort(),
      apiPort: await freePort(),
      replicas: REPLICAS,
      workers: CAPACITY,
      ttlSeconds: 2,
      orphanAfterSeconds: 30,
    },
    scannerEnv: [['SCANNER_PIXEL_WORK', '1']],
    // Every process that really starts says so itself, apart from all records of ours.
    wrapper: ['/bin/sh', '-c', `echo "$SCANPLANE_JOB $SCANPLANE_PROCESS_INDEX" >> '${started}'; exec "$@"`, 'wrapper'],
    settings: {SCANPLANE_ETCD_COMPACTION: 'false', SCANPLANE_TEARDOWN_SECONDS: '10'},
  });
  await writeFile(started, '');
  let referee: Referee | undefined;
  try {
    await system.start();
    referee = new Referee(system.etcdEndpoint);
    await referee.start();
    const {cache} = await watchOnly({endpoints: [system.etcdEndpoint], prefix: ''}, stop.signal);
    const ids = await postAll(system.address);
    expect(ids).toHaveLength(SCANS);

    const count = (name: string): number => ids.filter((id) => cache.scans.get(id)?.state?.value.name === name).length;
    const ended = (): number => ids.filter((id) => isTerminal(cache.scans.get(id)?.state?.value.name ?? 'PENDING')).length;
    let kills = 0;
    let killsInWork = 0;
    const deadline = performance.now() + DEADLINE_MS;
    const restarts: Promise<void>[] = [];
    while (ended() < SCANS && performance.now() < deadline) {
      await sleep(1000);
      const victims = system.processes.filter(({name}) => name.startsWith('replica-'));
      const victim = victims[Math.floor(Math.random() * victims.length)];
      if (victim === undefined || !system.kill(victim.pid)) continue;
      kills++;
      if (count('RUNNING') >= MIN_RUNNING) killsInWork++;
      restarts.push(sleep(200).then(() => void system.startReplica(Number(victim.name.slice('replica-'.length)))));
      if (kills % 10 === 0) process.stderr.write(`  ${kills} kills, ${ended()} of ${SCANS} scans ended, ${count('RUNNING')} run\n`);
    }
    await Promise.all(restarts);

    const unfinished = ids
      .filter((id) => cache.scans.get(id)?.state?.value.name !== 'COMPLETE')
      .map((id) => `${id} ${JSON.stringify(cache.scans.get(id)?.state?.value)}`);
    expect(unfinished).toEqual([]);
    expect(killsInWork, 'the run says nothing: too few kills while scans ran').toBeGreaterThanOrEqual(MIN_KILLS);

    // What really started, against what was recorded.
    const lines = readFileSync(started, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    expect(lines.length).toBe(new Set(lines).size);
    const tries = new Set<string>();
    for (const id of ids) {
      for (const [job, {value}] of must(cache.scans.get(id), 'a scan that was posted').jobs ?? []) {
        expect(openTry(value), `${id} ${job} has a try that has not ended`).toBeUndefined();
        for (let n = 1; n <= value.tries_total; n++) tries.add(`${id}/${job}/${n}`);
      }
    }
    const [database] = readdirSync(system.runDirectory);
    const directory = must(findRunDirectory(join(system.runDirectory, must(database, 'the database’s run directory'))), 'a run directory');
    const recorded = directory.scanIds().flatMap((id) => directory.tries(id));
    const launched = recorded.filter((ref) => directory.claim(ref)?.kind === 'launch').map((ref) => `${ref.scanId}/${ref.job}/${ref.try}`);
    expect(launched.length).toBeGreaterThanOrEqual(2 * SCANS);
    for (const ref of recorded) expect(tries.has(`${ref.scanId}/${ref.job}/${ref.try}`), `${JSON.stringify(ref)} is not recorded in etcd`).toBe(true);
    for (const name of launched) expect(lines.filter((line) => line.startsWith(`${name} `)).length, `starts of ${name}`).toBeLessThanOrEqual(1);
    const once = lines.map((line) => must(line.split(' ')[0], 'a name'));
    expect(once.filter((name) => !launched.includes(name))).toEqual([]);
    for (const line of lines) expect(tries.has(must(line.split(' ')[0], 'a name')), `${line} started but is not recorded`).toBe(true);

    referee.stop();
    const verdict = judge(referee.events, CAPACITY);
    process.stderr.write(
      `  ${kills} kills (${killsInWork} with ${MIN_RUNNING} or more scans running), ${verdict.takeovers} takeovers, ${verdict.writes} writes judged\n`,
    );
    expect(verdict.violations).toEqual([]);
    expect(verdict.writes).toBeGreaterThan(SCANS * 3);
    expect(verdict.takeovers).toBeGreaterThan(MIN_KILLS);
  } finally {
    stop.abort();
    await system.stop();
    await rm(folder, {recursive: true, force: true, maxRetries: 5});
  }
});

async function postAll(address: string): Promise<string[]> {
  const event: unknown = JSON.parse(readFileSync(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));
  const common = {docker_tag: 'latest', reco_algo: 'reference', nsides: {'1': 0}, real_or_simulated_event: 'real', max_pixel_reco_time: 60};
  const post = async (body: Record<string, unknown>): Promise<{scan_id: string; i3_event_id: string}> => {
    const request = {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify({...common, request_clusters: {local: 1}, ...body}),
    };
    const answer = await fetch(`${address}/v2/scan`, request);
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as {scan_id: string; i3_event_id: string};
  };
  const first = await post({event_i3live_json: event});
  const rest = await Promise.all(Array.from({length: SCANS - 1}, () => post({i3_event_id: first.i3_event_id})));
  return [first, ...rest].map(({scan_id: id}) => id);
}
