/** Seconds: how long something took, over many. */
interface Spread {
  count: number;
  sum: number;
  fastest: number;
  slowest: number;
}

/** One group of finished pixels, handed in together. Seconds since 1970, and seconds. */
export interface Handed {
  readonly nside: number;
  readonly pixels: number;
  /** What the worker took for each. */
  readonly workerSeconds: number;
  /** From handing it out to getting it back, if known. */
  readonly roundTripSeconds?: number;
  readonly at: number;
}

/** Counts and times of what was done, from which reports derive rates and predictions. Everything counts pixels; a report multiplies by its variations. */
export class ScanStats {
  readonly start: number;
  /** When the first pixel was handed out, as far as finished ones tell. */
  firstSent: number | undefined;
  lastDone: number | undefined;
  readonly #worker = new Map<string, Spread>();
  readonly #roundTrip = new Map<string, Spread>();
  /** When each pixel came back, in order. */
  readonly #doneAt: number[] = [];

  /** @param start seconds since 1970 */
  constructor(start: number) {
    this.start = start;
  }

  record(handed: Handed): void {
    for (const group of ['all recos', `nside-${handed.nside}`]) {
      extend(this.#worker, group, handed.pixels, handed.workerSeconds);
      if (handed.roundTripSeconds !== undefined) extend(this.#roundTrip, group, handed.pixels, handed.roundTripSeconds);
    }
    const sent = handed.at - (handed.roundTripSeconds ?? handed.workerSeconds * handed.pixels);
    this.firstSent = Math.min(this.firstSent ?? sent, sent);
    this.lastDone = handed.at;
    for (let i = 0; i < handed.pixels; i++) this.#doneAt.push(handed.at);
  }

  get done(): number {
    return this.#doneAt.length;
  }

  /** When `count` pixels were done, in seconds since 1970, or `undefined` if they are not. */
  doneAt(count: number): number | undefined {
    return this.#doneAt[Math.max(count, 1) - 1];
  }

  /** Wall clock seconds per pixel over the last tenth of the scan (at least 100 pixels), which follows workers that come and go. */
  recentSecondsPerPixel(): number {
    const window = Math.min(this.done, Math.max(100, Math.ceil(this.done / 10)));
    const from = window === this.done ? this.firstSent : this.#doneAt[this.done - window - 1];
    return window === 0 || from === undefined || this.lastDone === undefined ? 0 : (this.lastDone - from) / window;
  }

  /** Texts for people, per group of pixels. */
  rates(variations: number): Record<string, unknown> {
    const rates: Record<string, unknown> = {};
    for (const [group, worker] of this.#worker) {
      const roundTrip = this.#roundTrip.get(group);
      rates[group] = {
        'worker time': spreadText(worker, variations),
        ...(roundTrip === undefined ? {} : {'round-trip time': spreadText(roundTrip, 1)}),
      };
    }
    return rates;
  }
}

function extend(spreads: Map<string, Spread>, group: string, count: number, seconds: number): void {
  const spread = spreads.get(group) ?? {count: 0, sum: 0, fastest: Infinity, slowest: 0};
  spread.count += count;
  spread.sum += count * seconds;
  spread.fastest = Math.min(spread.fastest, seconds);
  spread.slowest = Math.max(spread.slowest, seconds);
  spreads.set(group, spread);
}

function spreadText({count, sum, fastest, slowest}: Spread, variations: number): Record<string, string> {
  return {
    mean: durationText(sum / count / variations),
    slowest: durationText(slowest / variations),
    fastest: durationText(fastest / variations),
  };
}

/** As Python prints a timedelta: `0:00:07`, `1 day, 2:03:04`, below a minute with microseconds where there are any. */
export function durationText(seconds: number): string {
  const micros = Math.round(Math.max(seconds, 0) * 1e6);
  const whole = Math.floor(micros / 1e6);
  const days = Math.floor(whole / 86_400);
  const two = (n: number): string => String(n).padStart(2, '0');
  const fraction = whole < 60 && micros % 1e6 > 0 ? `.${String(micros % 1e6).padStart(6, '0')}` : '';
  const clock = `${Math.floor((whole % 86_400) / 3600)}:${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}${fraction}`;
  return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'}, ${clock}`;
}

/** Seconds since 1970 as `YYYY-MM-DD hh:mm:ss`, UTC. */
export function timeText(seconds: number): string {
  return new Date(Math.floor(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ');
}
