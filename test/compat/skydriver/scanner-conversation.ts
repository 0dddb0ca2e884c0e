import {isDeepStrictEqual} from 'node:util';
import {expect} from 'vitest';
import {sleep} from '../../../src/lib/sleep.ts';
import {NON_URGENT, ScannerHttp, URGENT} from '../../support/scanner-http.ts';
import type {Patience} from '../../support/scanner-http.ts';
import {skyscanResult} from '../../support/skyscan-result.ts';
import type {NanStyle, Rows} from '../../support/skyscan-result.ts';

/** Which scanners speak so: 4.0 and later; 3.16 to 3.22; 3.0.69 to 3.8.2. */
export type ScannerGeneration = 'v4' | 'v3' | 'v0';

export interface ConversationOptions {
  readonly generation: ScannerGeneration;
  /** The address that the scanner was given, with the path of its REST generation, if any. */
  readonly base: string;
  readonly scanId: string;
  readonly token: string;
  /** The event it must be handed, as JSON text. */
  readonly event: string;
  /** Answers `true` once the scan has no further rounds. */
  readonly isDone: () => boolean;
  /** Called after each call that was answered: what does the API show now? */
  readonly after: (call: Reported) => Promise<void>;
}

/** What the scanner has reported so far. */
export interface Reported {
  readonly call: 'event' | 'report' | 'partial' | 'final' | 'last-report' | 'late-partial';
  /** Progress as the manifest must show it. */
  readonly progress?: Readonly<Record<string, unknown>>;
  /** JSON text of the result that must be stored. */
  readonly result?: string;
}

/** The progressions that grow round by round, and how long their PATCH bodies are: one, two and three resolutions. */
const ROUNDS: readonly Rows[] = [
  [[8, 768]],
  [
    [8, 768],
    [64, 832],
  ],
  [
    [8, 768],
    [64, 832],
    [512, 1543],
  ],
];

/** A scanner's calls in their order, with the payloads that they have; only the pauses between them are shorter. @see SkyDriver, call sequence */
export class ScannerConversation {
  readonly http: ScannerHttp;
  readonly #options: ConversationOptions;
  #isOver = false;
  /** Told by the kill switch. */
  wasToldToStop = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.http = new ScannerHttp(options.base, options.token);
  }

  /** Goes through all of it, or until the kill switch says so. @throws ScannerFailure */
  async run(): Promise<void> {
    const watching = this.#options.generation === 'v0' ? Promise.resolve() : this.#watchKillSwitch();
    try {
      await Promise.race([this.#scan(), watching.then(() => new Promise<never>(() => {}))]);
    } finally {
      this.#isOver = true;
      await watching.catch(() => {});
      this.http.close();
    }
    await watching; // A kill switch that failed is a failure.
  }

  async #scan(): Promise<void> {
    const {generation, event, isDone, after} = this.#options;
    const nan: NanStyle = generation === 'v4' ? '"<skyreader.nan>"' : 'NaN';

    const manifest = (await this.#call('GET', 'manifest', URGENT)).toString();
    if (generation === 'v4') expect(manifest.includes(`"event_i3live_json_dict":${event}`), 'the event is handed over as it was sent').toBe(true);
    else expect(isDeepStrictEqual((JSON.parse(manifest) as Record<string, unknown>)['event_i3live_json_dict'], JSON.parse(event))).toBe(true);
    await after({call: 'event'});

    let progress = await this.#report(reportOf(this.#options, 0, false), NON_URGENT);
    await after({call: 'report', progress});
    if (generation === 'v4') await this.#untilWorkersRun();

    expect((await this.#call('PUT', 'result', NON_URGENT, '{"skyscan_result": {}, "is_final": false}')).toString()).toBe('{}');
    let result: string | undefined;
    for (let round = 0; round < ROUNDS.length || !isDone(); round++) {
      if (this.wasToldToStop) return;
      const level = Math.min(round, ROUNDS.length - 1);
      progress = await this.#report(reportOf(this.#options, level + 1, false, round), NON_URGENT);
      await after({call: 'report', progress, ...(result === undefined ? {} : {result})});
      result = skyscanResult(ROUNDS[level] as Rows, nan).replace('"index"', `"index ${round}"`);
      await this.#call('PUT', 'result', NON_URGENT, `{"skyscan_result": ${result}, "is_final": false}`);
      await after({call: 'partial', progress, result});
    }
    const partial = result as string;
    const final = skyscanResult(ROUNDS.at(-1) as Rows, nan).replace('"index"', '"index final"');
    await this.#call('PUT', 'result', URGENT, `{"skyscan_result": ${final}, "is_final": true}`);
    await after({call: 'final', progress, result: final});
    progress = await this.#report(reportOf(this.#options, ROUNDS.length, true), URGENT);
    await after({call: 'last-report', progress, result: final});
    // As if it had been on its way all the time.
    await this.#call('PUT', 'result', NON_URGENT, `{"skyscan_result": ${partial}, "is_final": false}`);
    await after({call: 'late-partial', progress, result: final});
  }

  /** @returns progress as the manifest must show it from now on */
  async #report(body: {readonly progress: Record<string, unknown>}, patience: Patience): Promise<Record<string, unknown>> {
    const text = pythonJson(body);
    const answer = JSON.parse((await this.#call('PATCH', 'manifest', patience, text)).toString()) as {progress: Record<string, unknown>};
    const {progress} = body;
    const stats = {rate: {}, end: '', finished: false, predictions: {}, ...(progress['processing_stats'] as object)};
    const expected = {start: null, end: null, ...progress, processing_stats: stats};
    expect(answer.progress).toMatchObject(this.#options.generation === 'v4' ? expected : progress);
    return progress;
  }

  /** A failure of it would kill the scanner. */
  async #untilWorkersRun(): Promise<void> {
    while (!this.wasToldToStop) {
      const {n_running: running} = JSON.parse((await this.#call('GET', 'ewms/workforce', NON_URGENT)).toString()) as {n_running: number};
      expect(typeof running).toBe('number');
      if (running > 0) return;
      await sleep(300);
    }
  }

  /** A failure of it would go unnoticed, and so would then the end of the scan. */
  async #watchKillSwitch(): Promise<void> {
    while (!this.#isOver) {
      const status = JSON.parse((await this.#call('GET', 'status', NON_URGENT)).toString()) as Record<string, unknown>;
      const isV4 = this.#options.generation === 'v4';
      const mustStop = isV4
        ? Boolean(status['is_deleted']) || Boolean(status['ewms_deactivated'])
        : String(status['scan_state']).startsWith('STOPPED__');
      if (mustStop) {
        this.wasToldToStop = true;
        return;
      }
      await sleep(200);
    }
  }

  async #call(method: string, what: string, patience: Patience, body?: string): Promise<Buffer> {
    const {generation, scanId} = this.#options;
    const path = generation === 'v0' ? `/scan/${what}/${scanId}` : `/scan/${scanId}/${what}`;
    return (await this.http.call(method, path, patience, body)).bytes;
  }
}

/** The body of a PATCH with so many resolutions, all three parts in it, in the sizes of real ones: 2.7, 3.3, 3.9 KB. */
export function reportOf(
  {generation, scanId}: ConversationOptions,
  nsides: number,
  isFinished: boolean,
  round = 0,
): {readonly progress: Record<string, unknown>} {
  const levels = Array.from({length: Math.max(nsides, 1)}, (_, i) => {
    const count = (percent: number): Record<string, string> =>
      Object.fromEntries(Array.from({length: 7}, (__, n) => [`part ${n} of ${i}`, `${percent + n}/768 (0.${round}12345)`]));
    return [String(8 ** (i + 1)), {recos: {done: round, ...count(10)}, pixels: {done: round, ...count(20)}}];
  });
  const rate = {'average reco (scanner server runtime)': '0:00:01.123456', 'worker: average reco': `0:00:${round}`};
  const text = 'The Skymap Scanner has processed some of the pixels of the sky map, and this is how far it has come. '.repeat(12);
  const progress = {
    summary: `round ${round}`,
    epilogue: text,
    tallies: {nsides: Object.fromEntries(levels), overall: {done: round}, 'est. scan timeline': {'0.1': '0:10:00'}},
    processing_stats: {
      start: {'scanner start': '2026-01-01 00:00:00'},
      runtime: {elapsed: `0:0${round}:00`},
      ...(nsides === 0 ? {} : {rate}),
      ...(isFinished ? {end: '2026-01-01 01:00:00', finished: true} : nsides === 0 ? {} : {predictions: {'time left': '0:10:00'}}),
    },
    predictive_scanning_threshold: 1,
    last_updated: '2026-01-01 00:10:00',
    ...(generation === 'v4' ? {start: 1_770_000_000, end: isFinished ? 1_770_003_600 : null} : {}),
  };
  const eventMetadata = {run_id: 136_662, event_id: 23, event_type: 'gfu-gold', mjd: 59_287.5, is_real_event: true, version: 1};
  const scanMetadata = {scan_id: scanId, nside_progression: {'8': 0, '64': 12, '512': 24}, position_variations: 7};
  return {progress, event_metadata: eventMetadata, scan_metadata: scanMetadata} as {progress: Record<string, unknown>};
}

/** JSON with the separators of Python's json module. */
export function pythonJson(value: unknown): string {
  return JSON.stringify(value, null, 1)
    .replaceAll(/,\n\s*/g, ', ')
    .replaceAll(/\n\s*/g, '');
}
