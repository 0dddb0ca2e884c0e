import {monitorEventLoopDelay} from 'node:perf_hooks';

/**
 * Loaded into a server process before anything else (`node --import`): over the IPC channel it tells how long its event loop was held up and how much
 * memory it took since it was asked last.
 */
export interface ProbeReading {
  /** Longest time between two turns of the event loop, milliseconds. */
  readonly longestTurnMs: number;
  /** Of all turns but one in a hundred. */
  readonly p99Ms: number;
  /** Largest resident memory seen in that time, bytes. */
  readonly rssBytes: number;
}

const SAMPLE_MS = 20;

if (process.send !== undefined) {
  const delay = monitorEventLoopDelay({resolution: 1});
  delay.enable();
  let rssBytes = 0;
  setInterval(() => (rssBytes = Math.max(rssBytes, process.memoryUsage.rss())), SAMPLE_MS).unref();
  process.on('message', () => {
    const reading: ProbeReading = {longestTurnMs: delay.max / 1e6, p99Ms: delay.percentile(99) / 1e6, rssBytes};
    delay.reset();
    rssBytes = process.memoryUsage.rss();
    process.send?.(reading);
  });
  process.channel?.unref(); // The server ends when it has nothing else to do.
}
