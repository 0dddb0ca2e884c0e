import {createLog} from '../../src/lib/log.ts';
import type {Log} from '../../src/lib/log.ts';

/** Our own logger at its finest level, and what it has written. */
export function logLines(): {readonly log: Log; readonly lines: Record<string, unknown>[]; readonly text: () => string} {
  const lines: Record<string, unknown>[] = [];
  const log = createLog('trace', {}, {write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>)});
  return {log, lines, text: () => JSON.stringify(lines)};
}
