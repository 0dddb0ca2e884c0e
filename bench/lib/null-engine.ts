import type {Engine, JobObservation, JobRef, JobSaid, JobSpec} from '../../src/engines/engine.ts';
import {nowNs} from './machine.ts';

/** An engine that runs nothing and says that everything runs. It notes when it was first called for each scan. */
export class NullEngine implements Engine {
  readonly name = 'null';
  readonly place = 'bench';
  /** Scan id → when a launch was first asked for. */
  readonly launches = new Map<string, bigint>();
  /** Scan id → when it was first called for that scan, whatever for: the sign of an owner that acts. */
  readonly actions = new Map<string, bigint>();

  known(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  tries(): Promise<readonly JobRef[]> {
    return Promise.resolve([]);
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }

  ensure(job: JobSpec): Promise<JobObservation> {
    this.#note(job.ref);
    if (!this.launches.has(job.ref.scanId)) this.launches.set(job.ref.scanId, nowNs());
    return Promise.resolve(running(job.ref));
  }

  observe(ref: JobRef): Promise<JobObservation> {
    this.#note(ref);
    return Promise.resolve(running(ref));
  }

  close(ref: JobRef): Promise<JobObservation> {
    return Promise.resolve(running(ref));
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }

  said(): Promise<JobSaid> {
    return Promise.resolve({});
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  output(): Promise<string> {
    return Promise.resolve('');
  }

  onChange(): void {
    // Nothing ever happens here.
  }

  #note({scanId}: JobRef): void {
    if (!this.actions.has(scanId)) this.actions.set(scanId, nowNs());
  }
}

function running({scanId, job, try: number}: JobRef): JobObservation {
  return {kind: 'running', handle: `${scanId}-${job}-${number}`, startedAt: '2026-01-01T00:00:00.000Z'};
}
