import {nowNs} from './machine.ts';

export interface LoadResult {
  /** Operations that ended within the time measured. */
  readonly count: number;
  readonly failed: number;
  readonly elapsedSeconds: number;
  /** Milliseconds from before each send to its answer. */
  readonly latenciesMs: Float64Array;
}

/**
 * A closed loop: keeps `inFlight` operations under way for `seconds`, each begun when one before it has ended. Counts what ended in that time;
 * waits for the rest.
 */
export async function closedLoop(inFlight: number, seconds: number, operate: (lane: number) => Promise<void>): Promise<LoadResult> {
  const latencies: number[] = [];
  let failed = 0;
  const start = nowNs();
  const end = start + BigInt(Math.round(seconds * 1e9));
  const lane = async (n: number): Promise<void> => {
    for (let before = nowNs(); before < end;) {
      let isGood = true;
      try {
        await operate(n);
      } catch {
        isGood = false;
      }
      const after = nowNs();
      if (after <= end) {
        if (isGood) latencies.push(Number(after - before) / 1e6);
        else failed++;
      }
      before = after;
    }
  };
  await Promise.all(Array.from({length: inFlight}, (_, n) => lane(n)));
  return {count: latencies.length, failed, elapsedSeconds: seconds, latenciesMs: Float64Array.from(latencies)};
}
