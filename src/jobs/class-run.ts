import {reasonOf} from '../lib/errors.ts';
import {outcomeOf} from '../schema/job-outcome.ts';
import type {Job, JobData, Return} from './contract.ts';
import type {ClassHostRun, JobDocument} from './document.ts';
import {loadFactory, makeJob} from './load-factory.ts';
import {STOPPED, dataProblem, failed} from './run-result.ts';
import type {RunControl, RunResult} from './run-result.ts';

/**
 * Runs an object of the configured module: make, deserialize, run. Whatever it throws or returns comes out as a result.
 *
 * A job that was asked to stop before it ran does not; one that was asked meanwhile and did not complete is STOPPED.
 */
export async function runClass(document: JobDocument, run: ClassHostRun, control: RunControl): Promise<RunResult> {
  let job: Job;
  try {
    const factory = await loadFactory(run.module);
    job = await makeJob(factory, {type: document.type, name: document.name, id: document.job_id, requestId: document.request_id});
    await job.deserialize(Buffer.from(run.bytes, 'base64'));
  } catch (err) {
    return failed(`the job cannot be made: ${reasonOf(err)}`);
  }
  if (control.stop.aborted) return STOPPED;
  control.stop.addEventListener('abort', () => void stopJob(job), {once: true});
  control.watchStatus(() => job.status());

  const data: JobData = {...document.data};
  const before = new Map(Object.entries(data).map(([key, value]) => [key, JSON.stringify(value)]));
  let result: RunResult;
  try {
    result = resultOf(await job.run(data));
  } catch (err) {
    result = failed(`the job threw: ${reasonOf(err)}`);
  }
  if (control.stop.aborted && result.outcome.state !== 'COMPLETE') result = {...result, outcome: {...result.outcome, state: 'STOPPED'}};
  const problem = dataProblem(data);
  if (problem !== undefined) return {...result, ...failed(problem)};
  return {...result, data: Object.fromEntries(Object.entries(data).filter(([key, value]) => JSON.stringify(value) !== before.get(key)))};
}

async function stopJob(job: Job): Promise<void> {
  try {
    await job.stop();
  } catch (err) {
    process.stderr.write(`the job's stop threw: ${reasonOf(err)}\n`);
  }
}

function resultOf(returned: Return): RunResult {
  const {state, exit, error, stdout, stderr} = (returned ?? {}) as Partial<Return>;
  return {
    outcome: outcomeOf(state, exit, error),
    ...(typeof stdout === 'string' ? {stdout} : {}),
    ...(typeof stderr === 'string' ? {stderr} : {}),
  };
}
