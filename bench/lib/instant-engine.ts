import type {Engine, JobObservation, JobRef, JobSaid, JobSpec} from '../../src/engines/engine.ts';

/** An engine whose jobs end well as soon as they are launched: what is left is the cost of everything around them. */
export class InstantEngine implements Engine {
  readonly name = 'instant';
  readonly place = 'bench';
  /** Tries that were launched, ever. */
  launched = 0;
  readonly #known = new Set<string>();

  known(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  tries(): Promise<readonly JobRef[]> {
    return Promise.resolve([]);
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }

  ensure({ref}: JobSpec): Promise<JobObservation> {
    this.launched++;
    this.#known.add(nameOf(ref));
    return Promise.resolve(ended(ref));
  }

  observe(ref: JobRef): Promise<JobObservation> {
    return Promise.resolve(this.#known.has(nameOf(ref)) ? ended(ref) : {kind: 'absent'});
  }

  close(ref: JobRef): Promise<JobObservation> {
    return this.observe(ref);
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
    // The launch itself says what became of it.
  }
}

function nameOf({scanId, job, try: number}: JobRef): string {
  return `${scanId}/${job}/${number}`;
}

function ended(ref: JobRef): JobObservation {
  return {kind: 'exited', handle: nameOf(ref), exit: {code: 0, ended_at: '2026-01-01T00:00:00.000Z'}};
}
