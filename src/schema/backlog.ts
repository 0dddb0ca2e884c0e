import {timePart} from './ids.ts';
import {parserFor} from './validate.ts';

/** `/backlog/[order]/scan/[id]`: a scan that waits for admission. Times are seconds since 1970; `pending_timestamp` 0 means never tried. @see SkyDriver 2.x ScanBacklogEntry */
export interface BacklogEntry {
  readonly timestamp: number;
  readonly priority: number;
  readonly pending_timestamp: number;
  readonly next_attempt: number;
}

export const backlogSchema = {
  type: 'object',
  required: ['timestamp'],
  properties: {
    timestamp: {type: 'number'},
    priority: {type: 'integer', default: 0},
    pending_timestamp: {type: 'number', default: 0},
    next_attempt: {type: 'integer', minimum: 0, default: 0},
  },
} as const;

export const parseBacklogEntry = parserFor<BacklogEntry>('backlog entry', backlogSchema);

const PRIORITY_MIDDLE = 0x8000_0000;

/** The `[order]` of a backlog key: higher priority first, then older first, as text that sorts. Priorities beyond ±2^31 count as that. */
export function backlogOrder(priority: number, timestampMs: number): string {
  const clamped = Math.max(-PRIORITY_MIDDLE, Math.min(PRIORITY_MIDDLE - 1, Math.trunc(priority)));
  const rank = PRIORITY_MIDDLE - 1 - clamped;
  return `${rank.toString(16).padStart(8, '0')}-${timePart(timestampMs)}`;
}
