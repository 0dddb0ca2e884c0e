import {readFileSync, readdirSync} from 'node:fs';

/** Pids of the processes of one try that run now, found by the mark in their environment: apart from all records of the engine. */
export function jobProcesses(scanId: string, job: string, tryNumber: number): number[] {
  const mark = `SCANPLANE_JOB=${scanId}/${job}/${tryNumber}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
      } catch {
        return false; // It has ended meanwhile, or is not ours to look at.
      }
    });
}

/** The parent of a process. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
