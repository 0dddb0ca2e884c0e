import {readFileSync, readlinkSync} from 'node:fs';
import {eventually} from '../eventually.ts';

/** One process, never another one that got its number later: the kernel's start time (clock ticks since boot) and the boot are part of it. */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: string;
  readonly bootId: string;
  /** The namespace in which `pid` counts. */
  readonly pidNamespace: string;
}

/**
 * @returns undefined if there is no such process, or if it has ended and only waits for its parent to notice.
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html state is the 3rd field, starttime the 22nd; the 2nd may contain blanks and brackets.
 */
export function identify(pid: number): ProcessId | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined;
  return {pid, startTicks, ...whereWeAre()};
}

/** Whether pids that were recorded there mean the same processes here. */
export function isFromHere(id: ProcessId): boolean {
  const here = whereWeAre();
  return id.bootId === here.bootId && id.pidNamespace === here.pidNamespace;
}

export function isAlive(id: ProcessId): boolean {
  return isFromHere(id) && identify(id.pid)?.startTicks === id.startTicks;
}

/** Asks it to end, then makes it. Resolves when it is gone; at once if it is. */
export async function endProcess(id: ProcessId, graceMs: number): Promise<void> {
  if (!isAlive(id)) return;
  if (graceMs > 0) {
    process.kill(id.pid, 'SIGTERM');
    const ended = await eventually(() => !isAlive(id), {timeoutMs: graceMs, everyMs: 50}).catch(() => false);
    if (ended) return;
  }
  if (isAlive(id)) process.kill(id.pid, 'SIGKILL');
  await eventually(() => !isAlive(id), {timeoutMs: 10_000, everyMs: 50});
}

function whereWeAre(): Pick<ProcessId, 'bootId' | 'pidNamespace'> {
  return {bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(), pidNamespace: readlinkSync('/proc/self/ns/pid')};
}
