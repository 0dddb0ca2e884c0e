import {EventError, parseEvent} from './event.ts';
import {LeaseTable} from './lease-table.ts';
import {scanModel} from './likelihood.ts';
import {noteAs, reasonOf} from './note.ts';
import {serverOptions, UsageError} from './options.ts';
import type {ServerOptions} from './options.ts';
import {ScanPlan} from './plan.ts';
import type {Pixel} from './plan.ts';
import {Reporter} from './reporter.ts';
import {eventMetadata} from './result.ts';
import {ScanStats} from './scan-stats.ts';
import {NON_URGENT, RequestError, SkyDriverClient, URGENT} from './skydriver-client.ts';
import {writeStartup} from './startup-file.ts';
import {WorkServer} from './work-server.ts';
import type {WorkAnswer} from './work-server.ts';

/*
 * The server of the reference scanner: speaks the IceCube scanner's protocol to SkyDriver, and hands the pixels of one event to its workers.
 *
 *   node examples/scanner/server.ts --reco-algo A --client-startup-json FILE --nsides 8:0 64:12 --real-event --predictive-scanning-threshold 1.0
 *
 * Exit codes: 0 the final result is stored; 1 it could not be; 2 command line, environment or event make no sense; 130 the scan was deleted or
 * deactivated (as after an interrupt, which is what the IceCube scanner sends itself); 143 terminated.
 */

const note = noteAs('server');

/** Seconds since 1970. */
function now(): number {
  return Date.now() / 1000;
}

/** The whole scan, in the order in which SkyDriver expects to hear of it. @throws RequestError, EventError */
async function scan(options: ServerOptions): Promise<void> {
  const {scanId} = options.skydriver;
  const stats = new ScanStats(now());
  const client = new SkyDriverClient(options.skydriver.address, options.skydriver.token, note);

  const manifest = (await client.get(`/scan/${scanId}/manifest`, URGENT)) as {event_i3live_json_dict?: unknown} | null;
  const event = parseEvent(manifest?.event_i3live_json_dict);
  const model = scanModel(event);
  note('event', {runId: event.runId, eventId: event.eventId, source: model.source, recoAlgo: options.recoAlgo});

  const plan = new ScanPlan(options.levels, options.threshold);
  const metadata = eventMetadata(event, options.isRealEvent);
  const reporter = new Reporter(client, {scanId, plan, stats, metadata, threshold: options.threshold}, options, note);
  const table = new LeaseTable(options.leaseMs);
  const worker = Promise.withResolvers<void>();
  const lastPixel = Promise.withResolvers<void>();
  const silence = setTimeout(() => lastPixel.reject(new RequestError('no pixel came back for too long', undefined)), options.silenceMs);
  const sink = {onWorker: worker.resolve, onAnswer: take};
  const work = new WorkServer(table, {scan_id: scanId, model}, sink, {host: options.bind, holdMs: 25_000}, note);

  const address = await work.listen();
  writeStartup(options.clientStartupJson, {address, token: work.token, started: new Date().toISOString()});
  watchKillSwitch(client, options);
  await reporter.begin();
  await Promise.race([worker.promise, workforceRuns(client, options, worker.promise)]);

  const seen = new Set<number>();
  ask(plan.start());
  work.open();
  await lastPixel.promise;
  clearTimeout(silence);

  work.finish();
  await reporter.finish();
  note('finished', {pixels: stats.done, seconds: now() - stats.start});
  await work.whenDeserted(1000); // A worker that is still busy learns that it is done, rather than that we are gone.
  work.close();

  /** Puts further pixels up for work; the first ones of a resolution are a round, and reported. */
  function ask(pixels: readonly Pixel[]): void {
    if (pixels.length === 0) return;
    table.add(pixels);
    work.serve();
    const isRound = pixels.some(([nside]) => !seen.has(nside));
    for (const [nside] of pixels) seen.add(nside);
    if (isRound) reporter.report(true);
  }

  /** Takes what a worker handed in: each pixel counts once, whoever answers it first. */
  function take(answer: WorkAnswer, roundTripMs: number | undefined): void {
    const fresh = new Map<number, number>();
    const wanted: Pixel[] = [];
    const before = new Set(plan.tallies().flatMap(({nside, done}) => (done > 0 ? [nside] : [])));
    for (const {nside, row} of answer.rows) {
      const recorded = plan.record(nside, row);
      if (!recorded.isNew) continue;
      table.settle([nside, row[0]]);
      fresh.set(nside, (fresh.get(nside) ?? 0) + 1);
      wanted.push(...recorded.wanted);
    }
    if (fresh.size === 0) return;
    silence.refresh();
    const each = {workerSeconds: answer.seconds / answer.rows.length, ...(roundTripMs === undefined ? {} : {roundTripSeconds: roundTripMs / 1000})};
    for (const [nside, pixels] of fresh) stats.record({nside, pixels, at: now(), ...each});
    ask(wanted);
    reporter.report([...fresh.keys()].some((nside) => !before.has(nside)));
    if (plan.isDone) lastPixel.resolve();
  }
}

/**
 * Asks until SkyDriver says that workers run, or one has come here. An answer that fails is asked for again: it means nothing for the scan, and
 * nothing is lost by waiting, since workers that do come end it.
 */
async function workforceRuns(client: SkyDriverClient, options: ServerOptions, worker: Promise<void>): Promise<void> {
  let isOver = false;
  void worker.then(() => (isOver = true));
  while (!isOver) {
    try {
      const reply = (await client.get(`/scan/${options.skydriver.scanId}/ewms/workforce`, NON_URGENT)) as {n_running?: unknown} | null;
      if (Number(reply?.n_running) > 0) return;
    } catch (err) {
      note('workforce unknown', {reason: reasonOf(err)});
    }
    const pause = Promise.withResolvers<void>();
    const timer = setTimeout(pause.resolve, options.workforceIntervalMs);
    await Promise.race([pause.promise, worker]);
    clearTimeout(timer);
  }
}

/** Ends this process once SkyDriver says that the scan is deleted or deactivated. Status that cannot be had now is asked for again later. */
function watchKillSwitch(client: SkyDriverClient, options: ServerOptions): void {
  const check = async (): Promise<void> => {
    try {
      const status = (await client.get(`/scan/${options.skydriver.scanId}/status`, NON_URGENT)) as Record<string, unknown> | null;
      if (Boolean(status?.['is_deleted']) || Boolean(status?.['ewms_deactivated'])) {
        note('stopped by SkyDriver', {isDeleted: status?.['is_deleted'], deactivated: status?.['ewms_deactivated']});
        process.exit(130);
      }
    } catch (err) {
      note('status unknown', {reason: reasonOf(err)});
    }
    setTimeout(() => void check(), options.killSwitchIntervalMs).unref();
  };
  setTimeout(() => void check(), options.killSwitchIntervalMs).unref();
}

// Nothing needs to be put away: workers notice, and a next server begins afresh.
process.once('SIGTERM', () => process.exit(143));
process.once('SIGINT', () => process.exit(130));

try {
  const {options, unknown} = serverOptions(process.argv.slice(2), process.env);
  if (unknown.length > 0) note('ignored options', {options: unknown});
  await scan(options);
  process.exit(0);
} catch (err) {
  const isOurs = err instanceof UsageError || err instanceof EventError || err instanceof RequestError;
  note('failed', {reason: isOurs ? err.message : err instanceof Error ? (err.stack ?? err.message) : String(err)});
  process.exit(err instanceof UsageError || err instanceof EventError ? 2 : 1);
}
