import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {rfc3339} from '../../src/lib/clock.ts';
import type {Admission} from '../../src/schema/admission.ts';
import {backlogOrder} from '../../src/schema/backlog.ts';
import type {BacklogEntry} from '../../src/schema/backlog.ts';
import {newEventId, newScanId, randomHex} from '../../src/schema/ids.ts';
import type {JobFacts} from '../../src/schema/chain.ts';
import type {Job} from '../../src/schema/job.ts';
import {admissionKey, backlogKey, chainKey, jobKey, ownerKey, progressKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import type {Owner} from '../../src/schema/owner.ts';
import type {Progress} from '../../src/schema/progress.ts';
import type {SkymapSpec} from '../../src/schema/scan.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {skymapChain} from '../../src/specs/skymap-chain.ts';
import type {Template} from './template.ts';

export const CLUSTER = 'bench';
const CHAIN = await skymapChain({request_clusters: [[CLUSTER, 1]]}, 2);

/** The body of a scan request like those of users: small, naming an event that is stored already. */
export function requestBody(eventId: string): string {
  return JSON.stringify({
    reco_algo: 'millipede_wilks',
    i3_event_id: eventId,
    nsides: {8: 0, 64: 12},
    real_or_simulated_event: 'real',
    docker_tag: 'latest',
    max_pixel_reco_time: 60,
    debug_mode: 'client-logs',
    cluster: {[CLUSTER]: 1},
    classifiers: {foo: 1, 'bar bat': true},
  });
}

/** What a user asked for at `nowMs`. */
function specOf(nowMs: number, eventId: string): SkymapSpec {
  return {
    type: 'skymap-scan',
    created_at: nowMs / 1000,
    request: {
      docker_tag: 'latest',
      reco_algo: 'millipede_wilks',
      nsides: [
        ['8', 0],
        ['64', 12],
      ],
      real_or_simulated_event: 'real',
      max_pixel_reco_time: 60,
      request_clusters: [[CLUSTER, 1]],
      i3_event_id: eventId,
      predictive_scanning_threshold: 1,
      scanner_server_memory_bytes: 1_024_000_000,
      worker_memory_bytes: 8_000_000_000,
      worker_disk_bytes: 1_000_000_000,
      debug_mode: ['client-logs'],
      classifiers: {foo: 1, 'bar bat': true},
      scanner_server_env_from_user: [],
      priority: 0,
    },
  };
}

/** A scan as a POST leaves it: waiting for admission. */
export function waitingScan(nowMs: number, eventId: string): Template {
  const id = newScanId(nowMs);
  const entry: BacklogEntry = {timestamp: nowMs / 1000, priority: 0, pending_timestamp: 0, next_attempt: 0};
  return {
    id,
    entries: [
      {key: scanKey(id), value: canonicalJson(specOf(nowMs, eventId))},
      {key: backlogKey(backlogOrder(0, nowMs), id), value: canonicalJson(entry)},
    ],
  };
}

/** A scan half-way: admitted, owned, its two jobs running, the scanner reporting. What a watch cache holds most of while much is going on. */
export function runningScan(nowMs: number): Template {
  const id = newScanId(nowMs);
  const nowText = rfc3339(nowMs);
  const spec = specOf(nowMs, newEventId());
  const chain = CHAIN;
  const job = (name: string, {type, cluster, count, retry}: JobFacts = chain.jobs[name] as JobFacts): Job => ({
    ...{type, cluster, count, retry},
    state: 'RUNNING',
    tries_total: 1,
    failures: 0,
    tries: [
      {
        try: 1,
        intent_at: nowText,
        token_digest: randomHex(32),
        place: 'bench',
        handle: `${id}-${name}-1`,
        started_at: nowText,
      },
    ],
  });
  const state: ScanState = {name: 'RUNNING', attempt: 1, started_at: nowText};
  const owner: Owner = {command: ['node', 'src/main.ts', 'controllers'], hostname: 'host', pid: 4711, replica: randomHex(8), since: nowText};
  const admission: Admission = {attempt: 1, slots: {[CLUSTER]: 1}, admitted_at: nowText};
  const progress: Progress = {
    updated_at: nowMs / 1000,
    event_metadata: {run_id: 138632, event_id: 31747601, event_type: 'GFU-Gold', mjd: 60000.25, is_real_event: true},
    scan_metadata: {scan_id: id, position_variations: 7, nsides: [8, 64]},
    progress: {
      summary: '37.5% (n_done=288, n_total=768)',
      epilogue: '',
      tallies: {total_expected: {pixels: 768, recos: 5376}, total_reported: {pixels: 288, recos: 2016}},
      processing_stats: {
        start: {entire_scan: nowText},
        runtime: {elapsed: '0:01:23', prior_to_first_reco: '0:00:12'},
        rate: {average: '0.29 s/reco'},
        end: '',
        finished: false,
        predictions: {time_left: '0:02:18', total_runtime: '0:03:41'},
      },
      predictive_scanning_threshold: 1,
      last_updated: nowText,
      start: Math.floor(nowMs / 1000),
      end: null,
    },
  };
  const values: readonly (readonly [string, unknown])[] = [
    [scanKey(id), spec],
    [chainKey(id), chain],
    ...Object.keys(chain.jobs).map((name) => [jobKey(id, name), job(name)] as const),
    [admissionKey(id), admission],
    [stateKey(id), state],
    [ownerKey(id), owner],
    [progressKey(id), progress],
  ];
  return {id, entries: values.map(([key, value]) => ({key, value: canonicalJson(value)}))};
}
