import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {JobObservation, JobRef, JobSaid, JobSpec} from '../../src/engines/engine.ts';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {openProcessEngine} from '../../src/engines/process/process-engine.ts';
import type {ProcessEngine} from '../../src/engines/process/process-engine.ts';
import type {HostRun, JobDocument} from '../../src/jobs/document.ts';
import {JOB_HOST} from '../../src/jobs/programs.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {aJob, untilExited} from '../contract/engine.ts';

/** What became of a job that ran in the job host. */
export interface HostedRun {
  readonly exit: (JobObservation & {readonly kind: 'exited'})['exit'];
  readonly said: JobSaid;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs jobs in the job host under a process engine of its own, as a controller would. */
export class HostedJobs {
  readonly engine: ProcessEngine;
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.engine = openProcessEngine({root, baseEnv: {PATH: process.env['PATH'] ?? '/usr/bin:/bin'}, log: silentLog, clock: systemClock});
  }

  static async open(): Promise<HostedJobs> {
    return new HostedJobs(await mkdtemp(join(tmpdir(), 'scanplane-hosted-')));
  }

  async close(): Promise<void> {
    await endLeftovers(this.#root);
    await rm(this.#root, {recursive: true, force: true});
  }

  async start(run: HostRun, document: Partial<JobDocument> = {}, changes: Partial<JobSpec> = {}): Promise<JobRef> {
    const spec = aJob({...changes, command: JOB_HOST});
    const whole: JobDocument = {
      request_id: spec.ref.scanId,
      request_type: 'r',
      job_id: spec.ref.job,
      name: 'n',
      type: 't',
      try: 1,
      args: {},
      data: {},
      ...document,
      run,
    };
    await this.engine.ensure({...spec, document: JSON.stringify(whole)});
    return spec.ref;
  }

  async end(ref: JobRef): Promise<HostedRun> {
    const {exit} = await untilExited(this.engine, ref, 20_000);
    const {place} = this.engine;
    return {
      exit,
      said: await this.engine.said(ref, place),
      stdout: await this.engine.output(ref, place, 0, 'stdout'),
      stderr: await this.engine.output(ref, place, 0, 'stderr'),
    };
  }

  async run(run: HostRun, document: Partial<JobDocument> = {}, changes: Partial<JobSpec> = {}): Promise<HostedRun> {
    return this.end(await this.start(run, document, changes));
  }
}
