import {resolve} from 'node:path';
import type {Log} from '../lib/log.ts';
import {loadSpecs} from '../specs/load.ts';
import {formatFinding} from '../specs/finding.ts';
import {SpecRequestBuilder} from '../specs/request-builder.ts';
import type {RequestBuilder} from '../specs/request-builder.ts';
import {skymapSpecFile} from '../specs/skymap-chain.ts';
import {ClassMaker} from './class-maker.ts';
import {SpecJobMaker} from './job-maker.ts';

export interface RequestsOptions {
  /** Directory of the specs; empty: there are none. */
  readonly specs: string;
  /** The module of job classes; empty: there is none. */
  readonly jobsModule: string;
  /** Where jobs run whose type names no other cluster. */
  readonly defaultCluster: string;
  /** All of the environment of the process that creates jobs of classes. */
  readonly env: Readonly<Record<string, string>>;
  readonly log: Log;
}

/** Requests of other types than the sky scan, as one process knows them. */
export interface Requests {
  /** Builds the chains of requests; knows all specs, and what is wrong with some. */
  readonly builder: RequestBuilder;
  /** Knows the types of jobs. */
  readonly jobs: SpecJobMaker;
  /** The module of job classes, an absolute path. */
  readonly jobsModule?: string;
  /** Ends the process that creates jobs of classes. */
  close(): Promise<void>;
}

/** Reads the specs and joins them with what creates their jobs. A spec that cannot be used is logged, and stops nothing else. */
export async function openRequests({specs: directory, jobsModule, defaultCluster, env, log}: RequestsOptions): Promise<Requests> {
  const specs = await loadSpecs(directory, [skymapSpecFile()]);
  for (const finding of specs.findings) {
    if (finding.severity === 'error') log.error({finding: formatFinding(finding)}, 'a spec cannot be used');
  }
  const module = jobsModule === '' ? undefined : resolve(jobsModule);
  const classes = module === undefined ? undefined : new ClassMaker({module, env, log});
  let isClosing = false;
  // Said at the start, not first to the user who asks for such a job.
  classes?.load().catch((err: unknown) => {
    if (!isClosing) log.error({err, module}, 'the module of job classes cannot be used');
  });
  const jobs = new SpecJobMaker(specs.jobTypes, classes);
  return {
    builder: new SpecRequestBuilder(specs, jobs, defaultCluster),
    jobs,
    ...(module === undefined ? {} : {jobsModule: module}),
    close: async () => {
      isClosing = true;
      await classes?.close();
    },
  };
}
