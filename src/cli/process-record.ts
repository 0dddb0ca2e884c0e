import {readFileSync, renameSync, writeFileSync} from 'node:fs';
import {identify, isAlive, signalProcess} from '../engines/process/processes.ts';
import type {ProcessIdentity} from '../engines/process/processes.ts';

/** A process of ours as it can be found again: by pid and start time, since a pid alone may have been given to another meanwhile. */
export interface ProcessRecord extends ProcessIdentity {
  readonly name: string;
}

/** The record of a process that has just been started; `undefined` when it has ended already. */
export function recordOf(name: string, pid: number): ProcessRecord | undefined {
  const identity = identify(pid);
  return identity === undefined ? undefined : {name, ...identity};
}

export function readRecords(file: string): ProcessRecord[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord[];
  } catch {
    return []; // None was written.
  }
}

export function writeRecords(file: string, records: readonly ProcessRecord[]): void {
  // In one step: half a list would hide all processes from whoever is to end them.
  writeFileSync(`${file}.new`, JSON.stringify(records, null, 2));
  renameSync(`${file}.new`, file);
}

export {isAlive, signalProcess};
