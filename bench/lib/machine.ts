import {readFileSync} from 'node:fs';
import {cpus, totalmem} from 'node:os';
import {must} from '../../src/lib/assert.ts';

/** Linux counts processor time in ticks of 10 ms (`getconf CLK_TCK`, 100 on every platform that Node runs on). */
const TICKS_PER_SECOND = 100;
/** A machine that is busy for less than this share of its time counts as quiet. */
const QUIET_SHARE = 0.15;

/** Processor seconds that a process has used, in user and kernel mode; 0 once it is gone. */
export function cpuSeconds(pid: number): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return 0;
  }
  // The second field is a name in brackets, which may hold blanks.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export interface MachineTime {
  readonly total: number;
  readonly steal: number;
  readonly idle: number;
}

/** Ticks of all processors since boot, and how many of them another guest of the host took. */
export function machineTime(): MachineTime {
  const line = must(readFileSync('/proc/stat', 'utf8').split('\n')[0], '/proc/stat has a first line');
  const fields = line.split(/\s+/).slice(1, 9).map(Number); // what follows (guest time) is counted in these already
  return {total: fields.reduce((sum, value) => sum + value, 0), steal: fields[7] ?? 0, idle: (fields[3] ?? 0) + (fields[4] ?? 0)};
}

/** The share of processor time that was stolen between two readings. */
export function stealShare(from: MachineTime, to: MachineTime): number {
  return to.total === from.total ? 0 : (to.steal - from.steal) / (to.total - from.total);
}

/** Waits, up to `timeoutMs`, for a second in which the machine has little else to do; resolves with the busy share of the last one. */
export async function untilQuiet(timeoutMs: number): Promise<number> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const from = machineTime();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const to = machineTime();
    const busy = to.total === from.total ? 0 : 1 - (to.idle - from.idle) / (to.total - from.total);
    if (busy < QUIET_SHARE || performance.now() > deadline) return busy;
  }
}

/** What a reader needs to know of the machine to judge absolute figures. */
export function describeMachine(): Readonly<Record<string, unknown>> {
  return {
    cpus: cpus().length,
    cpu: cpus()[0]?.model,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    load_average: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
  };
}

/** Nanoseconds on a clock that all processes of this machine share. */
export function nowNs(): bigint {
  return process.hrtime.bigint();
}

/** Milliseconds between two readings of {@link nowNs}. */
export function msBetween(from: bigint, to: bigint): number {
  return Number(to - from) / 1e6;
}
