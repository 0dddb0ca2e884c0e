import {createHash, randomBytes} from 'node:crypto';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {sleep} from '../../../src/lib/sleep.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {admissionKey, jobKey} from '../../../src/schema/keys.ts';
import {openDatabase} from '../../../src/store/open.ts';
import type {Database} from '../../../src/store/open.ts';
import {ApiProcess} from '../../support/api-process.ts';
import {aJob, aTry} from '../../support/builders.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {rawRequest} from '../../support/raw-http.ts';
import {ScannerFailure, ScannerHttp, NON_URGENT, URGENT} from '../../support/scanner-http.ts';
import {TcpBalancer} from '../../support/tcp-balancer.ts';
import {ScannerConversation, pythonJson, reportOf} from './scanner-conversation.ts';
import type {Reported, ScannerGeneration} from './scanner-conversation.ts';

const SCANNERS = 6;
/** Kills that each run needs, else it says nothing. */
const KILLS = 8;
/** As large as usual events are, and like them mostly one long text. */
const EVENT = pythonJson({run_id: 136_662, event_id: 23, mjd: 59_287.5, frames: [randomBytes(337_000).toString('base64')]});

let etcd: TestEtcd;
let replicas: ApiProcess[];
let balancer: TcpBalancer;
let database: Database;

beforeAll(async () => {
  etcd = await startEtcd();
  replicas = await Promise.all([1, 2].map(() => ApiProcess.start({endpoint: etcd.endpoint})));
  balancer = await TcpBalancer.start(replicas.map(({port}) => port));
  database = openDatabase({endpoints: [etcd.endpoint], prefix: '', compaction: false}, silentLog);
});
afterAll(async () => {
  database.members.close();
  await balancer.stop();
  await Promise.all(replicas.map((each) => each.stop()));
  await etcd.stop();
});

/** A user who looks, as patient as one likes. */
const user = (): ScannerHttp => new ScannerHttp(balancer.url);

async function newScan(): Promise<string> {
  const body = {
    docker_tag: 'latest',
    reco_algo: 'anything',
    nsides: {'8': 0, '64': 12, '512': 24},
    real_or_simulated_event: 'real',
    max_pixel_reco_time: 60,
    request_clusters: {local: 2},
  };
  const {bytes} = await user().call('POST', '/v2/scan', URGENT, `{"event_i3live_json": ${EVENT}, ${JSON.stringify(body).slice(1)}`);
  return (JSON.parse(bytes.toString()) as {scan_id: string}).scan_id;
}

/** Writes what a controller would: the scan is admitted and its server runs, with this token. Its workers come later. */
async function launch(id: string, token: string, isAdmitted = true): Promise<void> {
  const server = aJob({tries: [aTry({token_digest: createHash('sha256').update(token).digest('hex'), handle: 'h'})]});
  const admission = {put: admissionKey(id), value: canonicalJson({attempt: 1, slots: {local: 2}, admitted_at: ''})};
  await database.store.commit({compares: [], ops: [{put: jobKey(id, 'server'), value: canonicalJson(server)}, ...(isAdmitted ? [admission] : [])]});
}

async function startWorkers(id: string): Promise<void> {
  const workers = aJob({type: 'workers', count: 2, tries: [aTry({token_digest: 'w', handle: 'h'})]});
  await database.store.commit({compares: [], ops: [{put: jobKey(id, 'workers-1'), value: canonicalJson(workers)}]});
}

/** Kills one replica after the other while `work` goes on, each as soon as the one before is back. */
async function whileKilling(work: (kills: () => number) => Promise<void>): Promise<number> {
  let kills = 0;
  let isOver = false;
  const killing = (async () => {
    for (let turn = 0; !isOver; turn++) {
      await sleep(200 + 400 * Math.random());
      const victim = replicas[turn % replicas.length] as ApiProcess;
      balancer.away.add(victim.port);
      await victim.kill();
      kills++;
      await victim.restart();
      balancer.away.delete(victim.port);
    }
  })();
  try {
    await work(() => kills);
  } finally {
    isOver = true;
    await killing;
  }
  return kills;
}

const STATES = {
  event: 'PENDING__WAITING_ON_SCANNER_SERVER_STARTUP',
  report: /^IN_PROGRESS__/,
  partial: 'IN_PROGRESS__PARTIAL_RESULT_GENERATED',
  final: 'SCAN_HAS_FINAL_RESULT',
  'last-report': 'SCAN_HAS_FINAL_RESULT',
  'late-partial': 'SCAN_HAS_FINAL_RESULT',
} as const satisfies Record<Reported['call'], string | RegExp>;

/** What users see after a call. */
async function expectShown(looker: ScannerHttp, id: string, {call, progress, result}: Reported): Promise<void> {
  const status = JSON.parse((await looker.call('GET', `/v2/scan/${id}/status`, URGENT)).bytes.toString()) as Record<string, unknown>;
  if (status['is_deleted'] !== true) expect(status['scan_state']).toMatch(STATES[call]);
  if (progress !== undefined) {
    const manifest = JSON.parse((await looker.call('GET', `/v2/scan/${id}/manifest?include_deleted=true`, URGENT)).bytes.toString()) as Record<
      string,
      unknown
    >;
    expect(manifest['progress']).toMatchObject(progress);
    expect(manifest['event_metadata']).toEqual({run_id: 136_662, event_id: 23, event_type: 'gfu-gold', mjd: 59_287.5, is_real_event: true});
  }
  if (result !== undefined) {
    const {bytes} = await looker.call('GET', `/v2/scan/${id}/result?include_deleted=true`, URGENT);
    const isFinal = STATES[call] === 'SCAN_HAS_FINAL_RESULT';
    expect(bytes.equals(Buffer.from(`{"scan_id":"${id}","skyscan_result":${result},"is_final":${isFinal}}`)), `the result after ${call}`).toBe(true);
  }
}

interface Run {
  readonly scanner: ScannerConversation;
  readonly id: string;
  /** What was reported last. */
  last: Reported['call'] | undefined;
}

function scanner(generation: ScannerGeneration, base: string, id: string, token: string, isDone: () => boolean): Run {
  const looker = user();
  const run: Run = {
    id,
    last: undefined,
    scanner: new ScannerConversation({
      ...{generation, base, scanId: id, token, event: EVENT, isDone},
      after: async (reported) => {
        run.last = reported.call;
        await expectShown(looker, id, reported);
        // The workers come while the scanner waits for them.
        if (reported.call === 'report' && reported.result === undefined) await startWorkers(id);
      },
    }),
  };
  return run;
}

describe('six scanners at once, while one API replica after the other is killed', () => {
  test('payloads have the sizes of real ones', () => {
    const options = {generation: 'v4', base: '', scanId: '0'.repeat(32), token: '', event: '', isDone: () => true, after: async () => {}} as const;
    for (const [nsides, size] of [
      [1, 2700],
      [3, 3900],
      [5, 5100],
    ] as const) {
      expect(Math.abs(pythonJson(reportOf(options, nsides, false)).length / size - 1)).toBeLessThan(0.15);
    }
    expect(Math.abs(EVENT.length / 450_000 - 1)).toBeLessThan(0.05);
  });

  async function play(generation: ScannerGeneration, base: string): Promise<void> {
    const tokens = Array.from({length: SCANNERS}, () => randomBytes(16).toString('hex'));
    const ids = await Promise.all(tokens.map(() => newScan()));
    await Promise.all(ids.map((id, i) => launch(id, tokens[i] as string)));
    const runs: Run[] = [];
    const kills = await whileKilling(async (count) => {
      // They end one after the other, so that kills fall upon final results too.
      for (const [i, id] of ids.entries()) runs.push(scanner(generation, base, id, tokens[i] as string, () => count() >= KILLS - SCANNERS + 1 + i));
      await Promise.all(runs.map((run) => run.scanner.run()));
    });
    const absorbed = runs.reduce((sum, run) => sum + run.scanner.http.absorbed, 0);
    process.stderr.write(`  ${generation} at ${new URL(base).pathname}: ${kills} kills, ${absorbed} failed attempts made good by retries\n`);
    expect(runs.map(({last}) => last)).toEqual(Array.from({length: SCANNERS}, () => 'late-partial'));
    expect(kills).toBeGreaterThanOrEqual(KILLS);
    expect(absorbed, 'no kill hit a call: the run says nothing').toBeGreaterThan(0);
  }

  test('version 4: no call fails beyond its retries, everybody sees what was reported, and the final result stands', async () => {
    await play('v4', balancer.url);
  });

  test('versions 3.16 to 3.22 do so too, at the address of the first REST version', async () => {
    await play('v3', `${balancer.url}/v1`);
  });

  test.for(['/v0', ''])('versions 3.0.69 to 3.8.2 do so too, at "%s/scan/manifest/ID"', async (prefix) => {
    await play('v0', balancer.url + prefix);
  });
});

test('a scan that is handed over by an init container goes the same way, and the workflow id is set once', async () => {
  const token = randomBytes(16).toString('hex');
  const id = await newScan();
  await launch(id, token, false);
  const workflow = {workflow_id: 'W1', ewms_address: 'ewms.invalid'};
  await whileKilling(async () => {
    const init = new ScannerHttp(balancer.url, token);
    const asked = async (): Promise<unknown> => JSON.parse((await init.call('GET', `/scan/${id}/ewms/workflow-id`, URGENT)).bytes.toString());
    expect(await asked()).toMatchObject({requested_ewms_workflow: false, workflow_id: 'not-yet-requested'});
    await init.call('POST', `/scan/${id}/ewms/workflow-id`, URGENT, JSON.stringify(workflow)).catch((err: unknown) => {
      // A repetition is 404, as it always was. If the first answer was lost with its replica, what is stored tells.
      if (!(err instanceof ScannerFailure) || err.attempts === 0) throw err;
    });
    expect(await asked()).toMatchObject({requested_ewms_workflow: true, ...workflow});
    const again = await rawRequest('POST', `${balancer.url}/scan/${id}/ewms/workflow-id`, {token, body: JSON.stringify(workflow)}).catch(
      () => undefined,
    );
    if (again !== undefined) expect(again.status).toBe(404);
    for (let poll = 0; poll < 5; poll++) {
      const {bytes} = await init.call('GET', `/scan/${id}/ewms/workforce`, NON_URGENT);
      expect(JSON.parse(bytes.toString())).toMatchObject({workflow_id: 'W1', n_running: expect.any(Number) as number});
    }
    init.close();
  });
});

describe('the kill switch', () => {
  test('a scanner of version 4 stops when its scan is deleted, whoever of the replicas is alive', async () => {
    const token = randomBytes(16).toString('hex');
    const id = await newScan();
    await launch(id, token);
    const run = scanner('v4', balancer.url, id, token, () => false);
    await whileKilling(async (kills) => {
      const running = run.scanner.run();
      await eventually(() => run.last === 'partial' && kills() >= 2, {timeoutMs: 60_000});
      await user().call('DELETE', `/v2/scan/${id}`, URGENT, '{}');
      await running;
    });
    expect(run.scanner.wasToldToStop).toBe(true);
    expect(run.last).not.toBe('final');
  });

  test('one of version 3.16 to 3.22 stops when it reads STOPPED__', async () => {
    const token = randomBytes(16).toString('hex');
    const id = await newScan();
    await launch(id, token);
    const run = scanner('v3', `${balancer.url}/v1`, id, token, () => false);
    const running = run.scanner.run();
    await eventually(() => run.last === 'partial', {timeoutMs: 60_000});
    await user().call('DELETE', `/v2/scan/${id}`, URGENT, '{}');
    await running;
    expect(run.scanner.wasToldToStop).toBe(true);
  });
});
