import {readFileSync} from 'node:fs';
import {reasonOf} from '../lib/errors.ts';
import {runClass} from './class-run.ts';
import type {JobDocument} from './document.ts';
import {runHttp} from './http-run.ts';
import {OwnFiles} from './own-files.ts';
import {failed} from './run-result.ts';
import type {RunControl, RunResult} from './run-result.ts';

/**
 * The job host: a process that runs one HTTP call or one object of a module of job classes, as its document on standard input says. Everything that such
 * a job may do wrong ends here: it throws, returns garbage, ends the process, never returns. One that blocks the event loop answers no SIGTERM; the
 * engine kills it after its grace.
 *
 * Exit code: 0 for COMPLETE, else 1. What became of the job is in its outcome file.
 */

const STATUS_EVERY_MS = 1000;

const {SCANPLANE_STATUS_FILE, SCANPLANE_DATA_FILE, SCANPLANE_OUTCOME_FILE} = process.env;
const files = new OwnFiles({status: SCANPLANE_STATUS_FILE, data: SCANPLANE_DATA_FILE, outcome: SCANPLANE_OUTCOME_FILE});
const stop = new AbortController();
let isOver = false;
let askStatus: (() => unknown) | undefined;

const control: RunControl = {
  stop: stop.signal,
  watchStatus: (ask) => {
    askStatus = ask;
    writeStatus();
  },
};

function writeStatus(): void {
  try {
    files.writeStatus(askStatus?.());
  } catch {
    // A status that cannot be told is no reason to end the job.
  }
}

/** Writes down what became of the job, once, and ends the process. */
function finish(result: RunResult): void {
  if (isOver) return;
  let {outcome} = result;
  writeStatus();
  try {
    if (result.data !== undefined) files.writeData(result.data);
  } catch (err) {
    outcome = failed(`its data cannot be written: ${reasonOf(err)}`).outcome;
  }
  // Pipes are written to synchronously, so nothing is lost by the exit.
  if (result.stdout !== undefined) process.stdout.write(result.stdout);
  if (result.stderr !== undefined) process.stderr.write(result.stderr);
  files.writeOutcome(outcome); // Last: who finds it finds everything.
  isOver = true;
  process.exit(outcome.state === 'COMPLETE' ? 0 : 1);
}

process.on('SIGTERM', () => stop.abort());
// What a job starts and does not wait for can throw too.
process.on('uncaughtException', (err) => finish(failed(`the job threw: ${reasonOf(err)}`)));
process.on('exit', () => {
  if (isOver) return;
  isOver = true;
  process.exitCode = 1; // Else a job that ends the process would pass for a success.
  files.writeOutcome(failed('the job ended its process').outcome);
});
// Keeps the process alive too: a job that waits for nothing that Node knows of is still a job.
setInterval(writeStatus, STATUS_EVERY_MS);

async function run(): Promise<RunResult> {
  const document = JSON.parse(readFileSync(0, 'utf8')) as JobDocument;
  switch (document.run?.kind) {
    case 'class':
      return runClass(document, document.run, control);
    case 'http':
      return runHttp(document, document.run, control);
    default:
      return failed('its document says nothing that the job host can run');
  }
}

run().then(finish, (err: unknown) => finish(failed(`the job host failed: ${reasonOf(err)}`)));
