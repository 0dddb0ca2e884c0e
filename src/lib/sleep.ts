import {setTimeout as delay} from 'node:timers/promises';

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. The caller looks at the signal. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  try {
    await delay(ms, undefined, signal === undefined ? {} : {signal});
  } catch {
    // Only an abort ends it early, and that is an ordinary outcome here.
  }
}
