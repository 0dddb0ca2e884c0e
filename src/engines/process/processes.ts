import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {setTimeout as delay} from 'node:timers/promises';

/**
 * Processes of this host as Linux' `/proc` shows them. Imports nothing but `node:`, for the supervisor's fast start.
 * @see proc(5)
 */

/**
 * One process and no other: pids are used again, a start time is not.
 *
 * Units: `startTicks` is clock ticks since boot (field 22 of `/proc/<pid>/stat`), which only means something together with `bootId`.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** A line of the process table. */
interface ProcessRow {
  readonly pid: number;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
}

/** A random id of the kernel, new with each boot of the host. */
export const BOOT_ID = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

/** The host's first pid namespace has this number on every Linux. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';

/** Which pids mean what: empty on a plain host, else (in a container) the number of the pid namespace. */
export function pidNamespace(): string {
  let link: string;
  try {
    link = readlinkSync('/proc/self/ns/pid');
  } catch {
    return ''; // a kernel without pid namespaces
  }
  return link === FIRST_PID_NAMESPACE ? '' : link.replaceAll(/\D/g, '');
}

function readRow(pid: number): ProcessRow | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined; // gone (ENOENT, or ESRCH while reading)
  }
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTicks: Number(fields[19]),
  };
}

/** A zombie does nothing any more: it only waits until its parent (in some containers: nobody) collects it. */
function runs(row: ProcessRow): boolean {
  return row.state !== 'Z' && row.state !== 'X';
}

/** Who has `pid` now, zombies included; `undefined` for nobody. */
export function identify(pid: number): ProcessIdentity | undefined {
  const row = readRow(pid);
  return row === undefined ? undefined : {pid, startTicks: row.startTicks, bootId: BOOT_ID};
}

/** Whether that very process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  if (process.bootId !== BOOT_ID) return false;
  const row = readRow(process.pid);
  return row !== undefined && row.startTicks === process.startTicks && runs(row);
}

/** Sends `signal` to that very process; `false` when it does not run any more. */
export function signalProcess(target: ProcessIdentity, signal: NodeJS.Signals): boolean {
  // Between the look and the signal the pid could pass on to another process only by going once round all pids within microseconds.
  if (!isAlive(target)) return false;
  try {
    process.kill(target.pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Sends `signal` to a process group, which its caller knows to be the one it means. */
export function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // ESRCH: it is empty already.
  }
}

/**
 * Which processes belong to something: those whose environment holds every entry of one of `markers`; those of the process groups and
 * sessions `groups`; and the descendants of either.
 */
export interface MemberQuery {
  /** Entries as `NAME=value`. */
  readonly markers: readonly (readonly string[])[];
  /** Ids of groups and sessions that surely still mean the same ones: their leader lives, or lived a moment ago. */
  readonly groups: ReadonlySet<number>;
  /** Clock ticks since boot; what started earlier is no member. Saves reading the environment of everything else on the host. */
  readonly notBeforeTicks: number;
}

interface Members {
  readonly members: readonly ProcessIdentity[];
  /** Those of the query's groups that have a member. */
  readonly groups: ReadonlySet<number>;
  /** Processes that show no environment at all: either they have none, or they are being replaced by exec at this moment. */
  readonly undecided: number;
}

/** One pass over the process table. Not atomic: who forks and exits while we read may be missed, so callers look again after they found anything. */
export function findMembers(query: MemberQuery): Members {
  const markers = query.markers.map((entries) => entries.map((entry) => `\0${entry}\0`));
  const candidates: ProcessRow[] = [];
  const members = new Map<number, ProcessRow>();
  const groups = new Set<number>();
  let undecided = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const row = readRow(pid);
    if (row === undefined || !runs(row) || row.startTicks < query.notBeforeTicks) continue;
    candidates.push(row);
    const group = [row.group, row.session].find((id) => query.groups.has(id));
    if (group !== undefined) {
      groups.add(group);
      members.set(pid, row);
      continue;
    }
    const environment = environmentOf(pid);
    if (environment === '') undecided++;
    else if (environment !== undefined && markers.some((entries) => entries.every((entry) => environment.includes(entry)))) members.set(pid, row);
  }
  for (let grown = members.size > 0; grown;) {
    grown = false;
    for (const row of candidates) {
      if (members.has(row.pid) || !members.has(row.parent)) continue;
      members.set(row.pid, row);
      grown = true;
    }
  }
  return {members: Array.from(members.values(), ({pid, startTicks}) => ({pid, startTicks, bootId: BOOT_ID})), groups, undecided};
}

/** `\0NAME=value\0…\0`; `undefined` when it is not ours to read, or the process is gone. */
function environmentOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return text === '' ? '' : `\0${text}`;
  } catch {
    return undefined;
  }
}

/** How often a process without a visible environment is looked at again before we believe that it has none. */
const UNDECIDED_LOOKS = 3;

/**
 * Kills all members with SIGKILL until a look finds none.
 *
 * @returns `false` when some still ran after `deadlineMs` (they hang in the kernel, or multiply faster than we kill).
 */
export async function endMembers(query: MemberQuery, deadlineMs: number): Promise<boolean> {
  const deadline = performance.now() + deadlineMs;
  let clean = 0;
  let needed = 1;
  for (;;) {
    const {members, undecided} = findMembers(query);
    for (const member of members) signalProcess(member, 'SIGKILL');
    if (members.length > 0) {
      clean = 0;
      needed = 2; // something was there: one empty look could have missed what it forked meanwhile
    } else if (++clean >= (undecided > 0 ? UNDECIDED_LOOKS : needed)) return true;
    if (performance.now() > deadline) return false;
    await delay(members.length > 0 ? 10 : 5);
  }
}
