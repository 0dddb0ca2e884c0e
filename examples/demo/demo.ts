import {readFileSync, rmSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ControlPlaneError, reasonOf} from '../../src/lib/errors.ts';
import {isTerminal} from '../../src/schema/state.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {bestFit, containmentArea} from '../scanner/skymap.ts';
import type {Skymap} from '../scanner/skymap.ts';
import type {Cache} from '../../src/store/cache.ts';
import {watchOnly} from '../../src/store/open.ts';
import {readArguments, wholeNumber} from '../../src/cli/arguments.ts';
import {LocalSystem} from '../../src/cli/local-system.ts';
import {freePort} from '../../src/cli/ports.ts';
import {drawSkymap} from './skymap-plot.ts';
import {Terminal, bar} from '../../src/cli/terminal.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const OPTIONS = {
  event: {type: 'string', help: 'scan this event (JSON file)', default: 'examples/events/sample-event.json'},
  nsides: {type: 'string', help: 'nside:extension, coarse to fine', default: '8:0,64:12'},
  workers: {type: 'string', help: 'worker processes', default: '4'},
  'no-kill': {type: 'boolean', help: 'do not kill the owner half-way'},
} as const;

/** Longest a demo may take before it gives up, in milliseconds. */
const DEADLINE_MS = 180_000;

/**
 * `npm run demo`: a real event scanned by real processes under two controller replicas, of which the one that leads is killed half-way.
 *
 * @returns the exit code: 0 only when the final result is there.
 */
async function main(argv: readonly string[]): Promise<number> {
  const options = readArguments('npm run demo -- [options]\n\nScans one event on this machine and kills the owner half-way.', OPTIONS, argv);
  if (options === undefined) return 0;
  const workers = wholeNumber(options, 'workers', 1);
  const nsides = readNsides(String(options['nsides']));
  const event = readEvent(String(options['event']));
  const out = new Terminal();
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => stop.abort());

  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  const directory = join(ROOT, '.scanplane', 'demo');
  const given = process.env['SCANPLANE_ETCD'];
  const system = new LocalSystem({
    directory,
    etcdPort: await freePort(),
    apiPort: await freePort(),
    replicas: 2,
    workers,
    ttlSeconds: 2,
    orphanAfterSeconds: 30,
    scannerEnv: [
      ['SKYSCAN_PROGRESS_INTERVAL_SEC', '0.25'],
      ['SKYSCAN_RESULT_INTERVAL_SEC', '2'],
      ['SKYSCAN_KILL_SWITCH_CHECK_INTERVAL', '2'],
      ['SCANNER_PIXEL_WORK', '5'],
    ],
    ...(given === undefined ? {} : {etcdEndpoint: given}),
  });
  const left = await system.endLeftovers();
  rmSync(directory, {recursive: true, force: true});
  if (left > 0) out.say(`ended ${left} processes that an earlier demo had left`);

  out.say(out.strong('scanplane demo'));
  const closing = new AbortController();
  try {
    await system.start();
    out.say(`  ${seconds().padStart(7)}  etcd, API and two controller replicas are up  ${out.dim(system.address)}`);
    const database = await watchOnly({endpoints: [system.etcdEndpoint], prefix: ''}, closing.signal);
    const scanId = await post(system.address, event, nsides, workers);
    out.say(`  ${seconds().padStart(7)}  scan ${out.strong(scanId)} posted`);
    const watcher = new ScanWatcher(database.cache, scanId, system, out, seconds, options['no-kill'] !== true);
    const record = await watcher.untilEnded(AbortSignal.any([stop.signal, AbortSignal.timeout(DEADLINE_MS)]));
    if (stop.signal.aborted) {
      out.say('interrupted');
      return 130;
    }
    if (record?.state?.value.name !== 'COMPLETE') {
      const state = record?.state?.value;
      out.say(out.bad(`the scan did not complete: ${state?.name ?? 'PENDING'}${state?.reason === undefined ? '' : `, ${state.reason}`}`));
      out.say(`logs: ${join(directory, 'logs')}`);
      return 1;
    }
    await report(system, scanId, record, out, seconds);
    await explainKeys(system, scanId, out);
    return 0;
  } catch (err) {
    out.settle();
    out.say(out.bad(reasonOf(err)));
    return 1;
  } finally {
    closing.abort();
    await system.stop();
    out.say(out.dim(`  stopped everything after ${seconds()}`));
  }
}

/** Follows one scan through the watch cache: draws its progress, kills its owner half-way, says who takes over. */
class ScanWatcher {
  readonly #cache: Cache;
  readonly #scanId: string;
  readonly #system: LocalSystem;
  readonly #out: Terminal;
  readonly #seconds: () => string;
  #killsLeft: number;
  #killed: {readonly pid: number; readonly at: number} | undefined;
  #owner = '';
  #firstPixels: {readonly at: number; readonly done: number} | undefined;

  constructor(cache: Cache, scanId: string, system: LocalSystem, out: Terminal, seconds: () => string, kills: boolean) {
    this.#cache = cache;
    this.#scanId = scanId;
    this.#system = system;
    this.#out = out;
    this.#seconds = seconds;
    this.#killsLeft = kills ? 1 : 0;
  }

  async untilEnded(signal: AbortSignal): Promise<ScanRecord | undefined> {
    const over = new AbortController();
    const listening = AbortSignal.any([signal, over.signal]);
    await new Promise<void>((resolve) => {
      const look = (): void => {
        const record = this.#cache.scans.get(this.#scanId);
        if (record !== undefined) this.#show(record);
        if (record?.state !== undefined && isTerminal(record.state.value.name)) resolve();
      };
      this.#cache.onChange(look, listening);
      listening.addEventListener('abort', () => resolve(), {once: true});
      look();
    });
    over.abort();
    this.#out.settle();
    return this.#cache.scans.get(this.#scanId);
  }

  #show(record: ScanRecord): void {
    const {done, total} = pixels(record);
    const owner = record.owner?.value;
    const name = owner === undefined ? undefined : this.#nameOf(owner.pid);
    if (owner !== undefined && name !== undefined && name !== this.#owner) {
      if (this.#killed === undefined) this.#say(`${name} (pid ${owner.pid}) leads`);
      else this.#say(this.#out.good(`${name} (pid ${owner.pid}) took over after ${((performance.now() - this.#killed.at) / 1000).toFixed(1)} s`));
      this.#owner = name;
    }
    if (done > 0) this.#firstPixels ??= {at: performance.now(), done};
    const fraction = total === 0 ? 0 : done / total;
    const elapsed = this.#firstPixels === undefined ? 0 : (performance.now() - this.#firstPixels.at) / 1000;
    const rate = elapsed > 0.5 && this.#firstPixels !== undefined ? `${((done - this.#firstPixels.done) / elapsed).toFixed(0)} pixels/s` : '';
    const who = owner === undefined ? this.#out.bad('no owner') : name;
    const line = `           [${bar(fraction, 32)}] ${String(done).padStart(5)}/${total === 0 ? '?' : total} pixels  ${rate.padEnd(14)} ${who}`;
    this.#out.status(line, `${Math.floor(fraction * 4)} ${who}`);
    if (fraction >= 0.5 && fraction < 1 && this.#killsLeft > 0 && owner !== undefined && name !== undefined) {
      this.#killsLeft--;
      if (this.#system.kill(owner.pid)) {
        this.#killed = {pid: owner.pid, at: performance.now()};
        this.#say(this.#out.bad(`killed the owner, ${name} (pid ${owner.pid}), with SIGKILL; its jobs run on`));
      }
    }
  }

  #nameOf(pid: number): string | undefined {
    return this.#system.allProcesses.find((each) => each.pid === pid)?.name;
  }

  #say(text: string): void {
    this.#out.say(`  ${this.#seconds().padStart(7)}  ${text}`);
  }
}

/** Pixels done and expected, as the scanner reports them in its tallies. */
function pixels(record: ScanRecord): {done: number; total: number} {
  const overall = record.progress?.value.progress?.tallies['overall'] as {pixels?: {done?: number; expected?: number}} | undefined;
  return {done: overall?.pixels?.done ?? 0, total: overall?.pixels?.expected ?? 0};
}

async function post(address: string, event: unknown, nsides: Readonly<Record<string, number>>, workers: number): Promise<string> {
  const answer = await fetch(`${address}/v2/scan`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({
      docker_tag: 'latest',
      reco_algo: 'reference',
      event_i3live_json: event,
      nsides,
      real_or_simulated_event: 'real',
      max_pixel_reco_time: 60,
      request_clusters: {local: workers},
    }),
  });
  const body = (await answer.json()) as {scan_id?: string; error?: string};
  if (!answer.ok || body.scan_id === undefined) throw new ControlPlaneError('invalid', `POST /scan: ${answer.status} ${body.error ?? ''}`);
  return body.scan_id;
}

async function report(system: LocalSystem, scanId: string, record: ScanRecord, out: Terminal, seconds: () => string): Promise<void> {
  const answer = await fetch(`${system.address}/v2/scan/${scanId}/result`);
  const {skyscan_result: result, is_final: isFinal} = (await answer.json()) as {skyscan_result?: Skymap; is_final?: boolean};
  if (result === undefined || isFinal !== true) throw new ControlPlaneError('not_found', 'the scan is COMPLETE but its final result is not there');
  const best = bestFit(result);
  if (best === undefined) throw new ControlPlaneError('invalid', 'the final result has no usable pixel');
  const counts = Object.entries(result).map(([level, {data}]) => `${data.length} at ${level.replace('nside-', 'nside ')}`);
  const state = record.state?.value;
  const tookMs = Date.parse(state?.ended_at ?? '') - Date.parse(state?.started_at ?? '');
  out.say(`  ${seconds().padStart(7)}  ${out.good('COMPLETE')} in ${(tookMs / 1000).toFixed(1)} s`);
  out.say();
  for (const line of drawSkymap(result, 72)) out.say(`    ${line}`);
  out.say();
  out.say(`    best fit        RA ${best.ra.toFixed(2)}°  Dec ${best.dec.toFixed(2)}°`);
  out.say(`    50 % area       ${containmentArea(result, 0.5).toFixed(2)} square degrees`);
  out.say(`    90 % area       ${containmentArea(result, 0.9).toFixed(2)} square degrees`);
  out.say(`    pixels          ${counts.join(', ')}`);
  out.say(`    scan id         ${scanId}`);
  out.say();
}

async function explainKeys(system: LocalSystem, scanId: string, out: Terminal): Promise<void> {
  out.say('    everything about the scan was in etcd; while the system runs (npm start) look at it with');
  out.say(`      npm run -s etcdctl -- get --prefix /scan/${scanId}`);
  const keys = await system.etcdctl(['get', '--prefix', '--keys-only', `/scan/${scanId}`]);
  for (const key of keys.split('\n').filter((line) => line !== '')) out.say(out.dim(`      ${key}`));
  out.say();
}

function readNsides(text: string): Record<string, number> {
  const nsides: Record<string, number> = {};
  for (const part of text.split(',')) {
    const match = /^(\d+):(\d+)$/.exec(part.trim());
    if (match === null) throw new ControlPlaneError('invalid', `--nsides: ${part} is not nside:extension, as in 8:0,64:12`);
    nsides[match[1] as string] = Number(match[2]);
  }
  return nsides;
}

/** Named from where the user is, or from the project's root. */
function readEvent(file: string): unknown {
  for (const path of [resolve(process.env['INIT_CWD'] ?? '.', file), resolve(ROOT, file)]) {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      continue;
    }
    try {
      return JSON.parse(text);
    } catch (err) {
      throw new ControlPlaneError('invalid', `${path} is not JSON: ${(err as Error).message}`);
    }
  }
  throw new ControlPlaneError('not_found', `there is no event file ${file}`);
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (err: unknown) => {
    process.stderr.write(`${reasonOf(err)}\n`);
    process.exitCode = 2;
  },
);
