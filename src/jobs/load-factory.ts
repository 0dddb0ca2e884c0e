import {pathToFileURL} from 'node:url';
import {isJsonObject} from '../lib/plain-json.ts';
import {wrongJobId} from './contract.ts';
import type {Job, JobFactory, JobId} from './contract.ts';

const METHODS = ['create', 'serialize', 'deserialize', 'run', 'stop', 'status'] as const satisfies readonly (keyof Job)[];

/** Loads a module of job classes from an absolute path. @throws Error: it cannot be loaded, or exports no factory. */
export async function loadFactory(path: string): Promise<JobFactory> {
  let module: {readonly factory?: unknown; readonly default?: unknown};
  try {
    module = (await import(pathToFileURL(path).href)) as typeof module;
  } catch (err) {
    throw new Error(`the job module cannot be loaded: ${err instanceof Error ? err.message : String(err)}`, {cause: err});
  }
  const factory = module.factory ?? module.default;
  if (typeof (factory as Partial<JobFactory> | undefined | null)?.make !== 'function')
    throw new Error('the job module exports no factory with a method make');
  return factory as JobFactory;
}

/** Makes a job and makes sure that it is one, and the right one. @throws what the factory throws; JobError `wrong_job_id` */
export async function makeJob(factory: JobFactory, id: JobId): Promise<Job> {
  // A copy: the comparison below must not be with something that the factory has changed.
  const job = await factory.make({...id});
  for (const method of METHODS)
    if (typeof (job as Partial<Job> | undefined | null)?.[method] !== 'function')
      throw new Error(`the job made for type ${id.type} has no method ${method}`);
  const {id: given} = job as {readonly id: unknown};
  if (!isJsonObject(given)) throw new Error(`the job made for type ${id.type} has no id`);
  const keys = ['type', 'name', 'id', 'requestId'] as const;
  if (keys.some((key) => given[key] !== id[key])) throw wrongJobId(given as unknown as JobId, id);
  return job;
}
