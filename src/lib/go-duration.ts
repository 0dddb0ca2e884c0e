/** Milliseconds per unit of Go's durations. */
const UNIT_MS: Readonly<Record<string, number>> = {ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/**
 * Reads a duration as Go writes it: `500ms`, `1m30s`, `1.5h`, `-2s`, a bare `0`.
 *
 * @returns milliseconds, possibly with a fraction; `undefined` for anything else, a bare number such as `5` included
 * @see https://pkg.go.dev/time#ParseDuration
 */
export function parseGoDuration(text: string): number | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const rest = /^[+-]/.test(text) ? text.slice(1) : text;
  if (rest === '0') return 0;
  if (rest === '') return undefined;
  let ms = 0;
  PART.lastIndex = 0;
  while (PART.lastIndex < rest.length) {
    const part = PART.exec(rest); // Sticky: a part has to begin where the last one ended.
    if (part === null) return undefined;
    ms += Number(part[1]) * (UNIT_MS[part[2] as string] as number);
  }
  return sign * ms;
}

/** A duration as Go shows it, to a second: `0s`, `59s`, `1m0s`, `1h59m59s`. Fractions of a second are dropped. */
export function formatGoSeconds(ms: number): string {
  const total = Math.trunc(Math.abs(ms) / 1000);
  const sign = ms < 0 && total > 0 ? '-' : '';
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}
