import type {Run} from './running-try.ts';
import type {Simulation} from './simulation.ts';

/** Runs of one deployment that were there at the same time. */
export function overlaps({host}: Simulation): string[] {
  const found: string[] = [];
  const before = new Map<string, Run[]>();
  for (const run of host.runs) {
    const others = before.get(run.ref.scanId) ?? [];
    for (const other of others) {
      if ((other.endedAtMs ?? Infinity) > run.beganAtMs) found.push(`${run.name} began while ${other.name} ran`);
    }
    before.set(run.ref.scanId, [...others, run]);
  }
  return found;
}
