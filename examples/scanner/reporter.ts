import {reasonOf} from './note.ts';
import type {Note} from './note.ts';
import {progressBody} from './progress.ts';
import type {ReportSubject} from './progress.ts';
import {resultOf} from './result.ts';
import {NON_URGENT, URGENT} from './skydriver-client.ts';
import type {SkyDriverClient} from './skydriver-client.ts';

export interface ReporterOptions {
  readonly progressIntervalMs: number;
  readonly resultIntervalMs: number;
}

/**
 * Tells SkyDriver how far the scan is: progress by PATCH of the manifest, the pixels so far by PUT of the result.
 *
 * Reports on the way are sent one after the other in the background and never hold up the scan; one that fails is made good by the next. While one is under
 * way, further occasions melt into a single later one. The first PUT is empty, whatever has been finished by then. The final pair comes after any other
 * has been answered or given up, so that nothing partial can arrive after it.
 */
export class Reporter {
  readonly #client: SkyDriverClient;
  readonly #subject: ReportSubject;
  readonly #options: ReporterOptions;
  readonly #note: Note;
  #isProgressDue = false;
  #isResultDue = false;
  #lastProgressMs = 0;
  #lastResultMs = 0;
  #hasPutEmpty = false;
  #isFinishing = false;
  #sending: Promise<void> | undefined;

  constructor(client: SkyDriverClient, subject: ReportSubject, options: ReporterOptions, note: Note) {
    this.#client = client;
    this.#subject = subject;
    this.#options = options;
    this.#note = note;
  }

  /** The first sign of life, before anything is computed. */
  async begin(): Promise<void> {
    await this.#progress('The scanner has started up.', '');
  }

  /** Pixels have come back, or (`isOccasion`) a round was sent or the first of a resolution has come back, which is reported at once. */
  report(isOccasion: boolean): void {
    const now = performance.now();
    if (isOccasion || now - this.#lastProgressMs > this.#options.progressIntervalMs) {
      this.#isProgressDue = true;
      this.#lastProgressMs = now;
    }
    if (isOccasion || now - this.#lastResultMs > this.#options.resultIntervalMs) {
      this.#isResultDue = true;
      this.#lastResultMs = now;
    }
    this.#sending ??= this.#send().finally(() => (this.#sending = undefined));
  }

  /** The final result, then the final progress. @throws RequestError when either is refused or cannot be delivered. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    await this.#sending;
    const {plan, metadata, scanId} = this.#subject;
    await this.#client.send('PUT', `/scan/${scanId}/result`, {skyscan_result: resultOf(plan, metadata), is_final: true}, URGENT);
    await this.#client.send(
      'PATCH',
      `/scan/${scanId}/manifest`,
      progressBody(this.#subject, 'The scanner has finished.', '', Date.now() / 1000),
      URGENT,
    );
  }

  async #send(): Promise<void> {
    while (this.#isProgressDue || this.#isResultDue) {
      if (this.#isFinishing && this.#hasPutEmpty) return; // The final pair says more.
      const isResultDue = this.#isResultDue;
      if (this.#isProgressDue) {
        this.#isProgressDue = false;
        const seconds = this.#options.progressIntervalMs / 1000;
        const epilogue =
          this.#subject.stats.done === 0
            ? 'There will be more when the first pixels are done.'
            : `There will be more in ${seconds} seconds, if there is news.`;
        await this.#progress('The scanner is scanning pixels.', epilogue);
      }
      if (isResultDue) {
        this.#isResultDue = false;
        await this.#result();
      }
    }
  }

  async #progress(summary: string, epilogue: string): Promise<void> {
    const {scanId} = this.#subject;
    const body = progressBody(this.#subject, summary, epilogue, Date.now() / 1000);
    await this.#mildly('progress', this.#client.send('PATCH', `/scan/${scanId}/manifest`, body, NON_URGENT));
  }

  async #result(): Promise<void> {
    const {plan, metadata, scanId} = this.#subject;
    const isEmpty = !this.#hasPutEmpty;
    this.#hasPutEmpty = true;
    const body = {skyscan_result: isEmpty ? {} : resultOf(plan, metadata), is_final: false};
    await this.#mildly('result', this.#client.send('PUT', `/scan/${scanId}/result`, body, NON_URGENT));
  }

  async #mildly(what: string, request: Promise<void>): Promise<void> {
    try {
      await request;
    } catch (err) {
      this.#note('report not delivered', {what, reason: reasonOf(err)});
    }
  }
}
