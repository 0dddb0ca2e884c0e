import {POSITION_VARIATIONS} from './likelihood.ts';
import type {ScanPlan} from './plan.ts';
import type {EventMetadata} from './result.ts';
import {durationText, timeText} from './scan-stats.ts';
import type {ScanStats} from './scan-stats.ts';

/** What a report is made from. */
export interface ReportSubject {
  readonly scanId: string;
  readonly plan: ScanPlan;
  readonly stats: ScanStats;
  readonly metadata: EventMetadata;
  readonly threshold: number;
}

const VARIATIONS = POSITION_VARIATIONS.length;
const TIMELINE = [0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/**
 * The body of a PATCH of the manifest, all three parts in each as the IceCube scanner does. `now` is seconds since 1970.
 *
 * A "reco" is one position variation of one pixel. `tallies.overall` has `done` and `expected` of both, for a progress bar.
 * `rate` and `predictions` are absent until the first reco; with the scan done, `end` and `finished` stand in place of predictions.
 */
export function progressBody(subject: ReportSubject, summary: string, epilogue: string, now: number): Record<string, unknown> {
  const {plan, stats, threshold} = subject;
  return {
    progress: {
      summary,
      epilogue,
      tallies: tallies(plan, stats),
      processing_stats: processingStats(plan, stats, now),
      predictive_scanning_threshold: threshold,
      last_updated: timeText(now),
      start: Math.floor(stats.start),
      end: plan.isDone ? Math.floor(now) : null,
    },
    event_metadata: subject.metadata,
    scan_metadata: {
      scan_id: subject.scanId,
      nside_progression: Object.fromEntries(plan.levels.map(({nside, extension}) => [String(nside), extension])),
      position_variations: VARIATIONS,
    },
  };
}

function tallies(plan: ScanPlan, stats: ScanStats): Record<string, unknown> {
  const levels = plan.tallies();
  const done = levels.reduce((sum, level) => sum + level.done, 0);
  const expected = levels.reduce((sum, level) => sum + level.expected, 0);
  const timeline: Record<string, string> = {};
  for (const part of TIMELINE) {
    const at = stats.doneAt(Math.ceil(part * expected));
    if (at !== undefined) timeline[String(part)] = durationText(at - stats.start);
  }
  return {
    nsides: Object.fromEntries(
      levels.map((level) => [
        String(level.nside),
        {
          recos: {done: level.done * VARIATIONS, 'generated total': level.asked * VARIATIONS, expected: level.expected * VARIATIONS},
          pixels: {done: level.done, 'generated total': level.asked, expected: level.expected},
        },
      ]),
    ),
    overall: {
      recos: {done: done * VARIATIONS, expected: expected * VARIATIONS},
      pixels: {done, expected},
      'est. percent': `${done}/${expected} (${(done / expected).toFixed(4)})`,
    },
    'est. scan timeline': timeline,
  };
}

function processingStats(plan: ScanPlan, stats: ScanStats, now: number): Record<string, unknown> {
  const start: Record<string, string> = {'scanner start': timeText(stats.start)};
  const runtime: Record<string, string> = {elapsed: durationText(now - stats.start)};
  if (stats.done === 0 || stats.firstSent === undefined) return {start, runtime};

  start['reco start (on server)'] = timeText(stats.firstSent);
  runtime['startup runtime'] = durationText(stats.firstSent - stats.start);
  runtime['reco runtime (on server)'] = durationText(now - stats.firstSent);
  const rate = stats.rates(VARIATIONS);
  if (plan.isDone) return {start, runtime, rate, end: timeText(now), finished: true};

  const expected = plan.tallies().reduce((sum, level) => sum + level.expected, 0);
  const left = (expected - stats.done) * stats.recentSecondsPerPixel();
  const predictions = {
    'time left': durationText(Math.round(left)),
    'total runtime at finish': durationText(Math.round(now - stats.start + left)),
    'total # of reconstructions': expected * VARIATIONS,
    end: timeText(now + left),
  };
  return {start, runtime, rate, predictions};
}
