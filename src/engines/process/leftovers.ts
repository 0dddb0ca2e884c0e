import {endMembers, isAlive, signalProcess} from './processes.ts';
import type {JobRef} from '../engine.ts';
import {MARKERS, findRunDirectory} from './run-directory.ts';
import type {RunDirectory} from './run-directory.ts';

/** How long all leftovers together may take to end. */
const DEADLINE_MS = 10_000;

/**
 * Ends every job and supervisor that a run directory knows of, with SIGKILL, and records that it ended. For a start after which nothing of the start
 * before may run; no other controller may work in that directory meanwhile. Each process is known by pid and start time or by its environment.
 *
 * @returns how many tries were still running.
 * @throws Error when something outlives SIGKILL.
 */
export async function endLeftovers(root: string): Promise<number> {
  const directory = findRunDirectory(root);
  if (directory === undefined) return 0;
  const unfinished = directory
    .scanIds()
    .flatMap((scanId) => directory.tries(scanId))
    .filter((ref) => wasLaunched(directory, ref) && directory.exit(ref) === undefined);
  const groups = new Set<number>();
  let running = 0;
  for (const ref of unfinished) {
    const claim = directory.claim(ref);
    const leaders = (directory.running(ref)?.processes ?? []).filter(isAlive);
    for (const leader of leaders) groups.add(leader.pid);
    const isSupervised = claim?.kind === 'launch' && signalProcess(claim.supervisor, 'SIGKILL');
    if (isSupervised || leaders.length > 0) running++;
  }
  const markers = [[`${MARKERS.runDirectory}=${directory.id}`]];
  if (!(await endMembers({markers, groups, notBeforeTicks: 0}, DEADLINE_MS))) throw new Error(`processes of ${directory.root} outlive SIGKILL`);
  const endedAt = new Date().toISOString();
  for (const ref of unfinished) {
    directory.recordExit(ref, {began: true, exit: {code: null, reason: 'ended by a new start', ended_at: endedAt}, processes: []});
  }
  return running;
}

/** One whose claim is damaged has nothing to say; its processes are known by their environment. */
function wasLaunched(directory: RunDirectory, ref: JobRef): boolean {
  try {
    return directory.claim(ref)?.kind === 'launch';
  } catch (err) {
    if (err instanceof SyntaxError) return false;
    throw err;
  }
}
