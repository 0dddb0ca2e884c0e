import type {Clock} from '../../lib/clock.ts';
import {hasCode} from '../../lib/errors.ts';
import type {JobApi} from './job-api.ts';
import type {JobRecord} from './job-record.ts';

/** How long an answer holds, and how long a Job is left in peace before it is asked about. */
const HOLDS_MS = 10_000;
/** Answers kept. */
const KEPT = 1000;

/** Why the Job controller got no pod for a Job (a quota, an admission check): it says so in events only. */
export class PodRefusals {
  readonly #api: JobApi;
  readonly #clock: Clock;
  readonly #answers = new Map<string, {readonly atMs: number; readonly why: string | undefined}>();

  constructor(api: JobApi, clock: Clock) {
    this.#api = api;
    this.#clock = clock;
  }

  /** What the newest event says; `undefined`: nothing is known, or events may not be read. */
  async why({name, uid, createdMs}: JobRecord): Promise<string | undefined> {
    if (this.#clock.now() - createdMs < HOLDS_MS) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const known = this.#answers.get(name);
    if (known !== undefined && nowMs - known.atMs < HOLDS_MS) return known.why;
    const why = await this.#ask(uid, known?.why);
    this.#answers.delete(name);
    this.#answers.set(name, {atMs: nowMs, why});
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= KEPT) break;
      this.#answers.delete(oldest);
    }
    return why;
  }

  async #ask(uid: string, before: string | undefined): Promise<string | undefined> {
    try {
      const events = await this.#api.events(`involvedObject.uid=${uid},reason=FailedCreate`);
      const newest = events.sort((a, b) => timeOf(b) - timeOf(a))[0];
      return newest?.message?.replace(/^Error creating: /, '');
    } catch (err) {
      if (!hasCode(err, 'unavailable', 'invalid', 'not_found')) throw err;
      return before;
    }
  }
}

function timeOf({lastTimestamp, eventTime}: {readonly lastTimestamp?: string | null; readonly eventTime?: string | null}): number {
  return Date.parse(lastTimestamp ?? eventTime ?? '') || 0;
}
