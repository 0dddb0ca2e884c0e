import {monitorEventLoopDelay} from 'node:perf_hooks';

/**
 * Loaded into a server process before anything else (`node --import`): over the IPC channel it tells how long its event loop was held up and how much
 * memory it took since it was asked last.
 */
export interface ProbeReading {
  /** Longest time between two turns of the event loop, milliseconds. Counts what other processes took of our processor. */
  readonly longestTurnMs: number;
  /** Most processor time that the main thread spent between two turns, milliseconds. */
  readonly busiestTurnMs: number;
  /** Largest resident memory seen in that time, bytes. */
  readonly rssBytes: number;
}

const SAMPLE_MS = 20;

if (process.send !== undefined) {
  const delay = monitorEventLoopDelay({resolution: 1});
  delay.enable();
  let busiest = 0;
  let last = 0;
  const spent = (): number => {
    const {user, system} = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  setInterval(() => {
    const now = spent();
    busiest = Math.max(busiest, now - last);
    last = now;
  }, 1).unref();
  let rssBytes = 0;
  setInterval(() => (rssBytes = Math.max(rssBytes, process.memoryUsage.rss())), SAMPLE_MS).unref();
  process.on('message', () => {
    const reading: ProbeReading = {longestTurnMs: delay.max / 1e6, busiestTurnMs: busiest, rssBytes};
    delay.reset();
    busiest = 0;
    rssBytes = process.memoryUsage.rss();
    process.send?.(reading);
  });
  process.channel?.unref(); // The server ends when it has nothing else to do.
}
