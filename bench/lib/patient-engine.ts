import type {JobObservation, JobRef} from '../../src/engines/engine.ts';
import {NullEngine} from './null-engine.ts';

/** An engine whose jobs run until they are stopped, and then have ended at once. */
export class PatientEngine extends NullEngine {
  readonly #stopped = new Set<string>();
  readonly #listeners = new Set<(ref: JobRef) => void>();

  override observe(ref: JobRef): Promise<JobObservation> {
    if (!this.#stopped.has(nameOf(ref))) return super.observe(ref);
    const exit = {code: 143, reason: 'stopped', ended_at: '2026-01-01T00:00:01.000Z'};
    return Promise.resolve({kind: 'exited', handle: nameOf(ref), exit});
  }

  override stop(ref?: JobRef): Promise<void> {
    if (ref !== undefined) {
      this.#stopped.add(nameOf(ref));
      for (const listener of this.#listeners) listener(ref);
    }
    return Promise.resolve();
  }

  override onChange(listener?: (ref: JobRef) => void): void {
    if (listener !== undefined) this.#listeners.add(listener);
  }
}

function nameOf({scanId, job, try: number}: JobRef): string {
  return `${scanId}/${job}/${number}`;
}
