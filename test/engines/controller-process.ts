import type {JobSpec} from '../../src/engines/engine.ts';
import {openProcessEngine} from '../../src/engines/process/process-engine.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';

/** A controller in a process of its own, to be killed: ensures one job at a given time, prints what came of it, then waits for ever. */
const {root, job, atMs} = JSON.parse(process.argv[2] ?? '') as {readonly root: string; readonly job: JobSpec; readonly atMs: number};
const engine = openProcessEngine({root, baseEnv: {PATH: process.env['PATH'] ?? ''}, log: silentLog, clock: systemClock});
await new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - Date.now())));
process.stdout.write(`${JSON.stringify(await engine.ensure(job))}\n`);
setInterval(() => undefined, 60_000);
