import type {CpuPerOperation, Row, Sample} from './row.ts';
import {mean, median, medianInterval} from './stats.ts';
import type {Interval} from './stats.ts';

/** Two measurements of the same thing that differ by more say that something else was measured. */
const MAX_SPREAD = 0.35;
const MAX_STEAL = 0.1;

/** A row's figures of one round, and why they do not count, if so. */
export interface RoundRecord {
  readonly round: number;
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly ratios: readonly number[];
  readonly stealShare: number;
  /** The share of the processors' time that other work took in the second before the round. */
  readonly busyBefore?: number;
  readonly cpu?: Sample['cpu'];
  readonly void?: string;
}

export type Verdict = 'pass' | 'stretch' | 'miss' | 'undecided' | 'reported' | 'no data';

export interface RowResult {
  readonly row: Row;
  readonly verdict: Verdict;
  /** What is judged: the median of the ratios, or the worst of them. */
  readonly ratio: number;
  readonly interval: Interval;
  /** Medians of the two sides. */
  readonly a: number;
  readonly b: number;
  readonly cpu?: {readonly a: CpuPerOperation; readonly b: CpuPerOperation};
  readonly rounds: readonly RoundRecord[];
}

/** Turns what a round measured into a record, void if the machine was not ours or the two A's disagree. */
export function recordOf(sample: Sample, round: number, stealShare: number): RoundRecord {
  const base = mean(sample.b);
  const ratios = sample.isTrials ? sample.a.map((value) => value / base) : [mean(sample.a) / base];
  const spread = sample.isTrials ? 0 : Math.max(...sample.a) / Math.min(...sample.a) - 1;
  const reason =
    stealShare > MAX_STEAL
      ? `${percent(stealShare)} of the processors' time was stolen`
      : spread > MAX_SPREAD
        ? `the two A's differ by ${percent(spread)}`
        : undefined;
  return {
    ...{round, a: sample.a, b: sample.b, ratios, stealShare},
    ...(sample.cpu === undefined ? {} : {cpu: sample.cpu}),
    ...(reason === undefined ? {} : {void: reason}),
  };
}

export function judge(row: Row, rounds: readonly RoundRecord[]): RowResult {
  const valid = rounds.filter((record) => record.void === undefined);
  const ratios = valid.flatMap((record) => record.ratios);
  if (ratios.length === 0)
    return {row, verdict: 'no data', ratio: Number.NaN, interval: {low: Number.NaN, high: Number.NaN}, a: Number.NaN, b: Number.NaN, rounds};
  const isWorst = row.judged === 'worst';
  const worst = row.better === 'lower' ? Math.max(...ratios) : Math.min(...ratios);
  const ratio = isWorst ? worst : median(ratios);
  const interval = isWorst ? {low: Math.min(...ratios), high: Math.max(...ratios)} : medianInterval(ratios);
  const cpu = cpuOf(valid);
  return {
    ...{row, ratio, interval, rounds, verdict: verdictOf(row, interval)},
    a: median(valid.flatMap((record) => record.a)),
    b: median(valid.flatMap((record) => record.b)),
    ...(cpu === undefined ? {} : {cpu}),
  };
}

/** Passed only if the whole interval passes; missed only if none of it does. */
function verdictOf(row: Row, {low, high}: Interval): Verdict {
  if (row.pass === undefined) return 'reported';
  const [good, bad] = row.better === 'higher' ? [high, low] : [low, high];
  const reaches = (value: number, target: number): boolean => (row.better === 'higher' ? value >= target : value <= target);
  if (row.stretch !== undefined && reaches(bad, row.stretch)) return 'stretch';
  if (reaches(bad, row.pass)) return 'pass';
  return row.judged === 'median' && reaches(good, row.pass) ? 'undecided' : 'miss';
}

function cpuOf(rounds: readonly RoundRecord[]): RowResult['cpu'] {
  const of = (side: 'a' | 'b'): CpuPerOperation => {
    const names = new Set(rounds.flatMap((record) => Object.keys(record.cpu?.[side] ?? {})));
    return Object.fromEntries([...names].map((name) => [name, median(rounds.flatMap((record) => record.cpu?.[side][name] ?? []))]));
  };
  return rounds.some((record) => record.cpu !== undefined) ? {a: of('a'), b: of('b')} : undefined;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;
