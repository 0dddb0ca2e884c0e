import type {Engine, JobObservation, JobRef, JobSaid, JobSpec} from '../../src/engines/engine.ts';

const nameOf = ({scanId, job, try: number}: JobRef): string => `${scanId}/${job}/${number}`;

function refOf(name: string): JobRef {
  const [scanId = '', job = '', number] = name.split('/');
  return {scanId, job, try: Number(number)};
}

/** An engine whose jobs are entries of a map: for tests of those who use engines, with hundreds of jobs. It keeps the contract's promises. */
export class FakeEngine implements Engine {
  readonly name = 'process';
  readonly place = 'memory';
  readonly jobs = new Map<string, JobObservation>();
  /** What tries say of themselves, by name. */
  readonly sayings = new Map<string, JobSaid>();
  /** Every call of `ensure`, by the try's name. */
  readonly asked: string[] = [];
  /** How long a launch takes, in milliseconds. */
  launchMs = 0;
  readonly #listeners = new Set<(ref: JobRef) => void>();

  async ensure(job: JobSpec): Promise<JobObservation> {
    this.asked.push(nameOf(job.ref));
    await new Promise((resolve) => setTimeout(resolve, this.launchMs));
    const standing = this.jobs.get(nameOf(job.ref));
    if (standing !== undefined) return standing;
    return this.#set(job.ref, {kind: 'running', handle: 'h', startedAt: new Date().toISOString()});
  }

  observe(ref: JobRef, place: string): Promise<JobObservation> {
    return Promise.resolve(place === this.place ? (this.jobs.get(nameOf(ref)) ?? {kind: 'absent'}) : {kind: 'foreign'});
  }

  close(ref: JobRef, place: string): Promise<JobObservation> {
    if (place === this.place && !this.jobs.has(nameOf(ref))) this.#set(ref, {kind: 'closed'});
    return this.observe(ref, place);
  }

  stop(ref: JobRef): Promise<void> {
    this.end(ref, null, 'stopped');
    return Promise.resolve();
  }

  /** A running job ends. */
  end(ref: JobRef, code: number | null, reason?: string): void {
    if (this.jobs.get(nameOf(ref))?.kind !== 'running') return;
    const exit = {code, ended_at: new Date().toISOString(), ...(reason === undefined ? {} : {reason})};
    this.#set(ref, {kind: 'exited', handle: 'h', exit});
  }

  /** Names of the tries that run, of one scan. */
  running(scanId: string): string[] {
    return [...this.jobs].filter(([name, job]) => name.startsWith(`${scanId}/`) && job.kind === 'running').map(([name]) => name);
  }

  said(ref: JobRef, place: string): Promise<JobSaid> {
    return Promise.resolve((place === this.place ? this.sayings.get(nameOf(ref)) : undefined) ?? {});
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }

  output(): Promise<string> {
    return Promise.resolve('');
  }

  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), {once: true});
  }

  known(): Promise<readonly string[]> {
    return Promise.resolve([...new Set([...this.jobs.keys()].map((name) => name.split('/')[0] ?? ''))]);
  }

  tries(scanId: string): Promise<readonly JobRef[]> {
    return Promise.resolve([...this.jobs.keys()].map(refOf).filter((ref) => ref.scanId === scanId));
  }

  forget(scanId: string): Promise<void> {
    for (const map of [this.jobs, this.sayings]) for (const name of map.keys()) if (name.startsWith(`${scanId}/`)) map.delete(name);
    return Promise.resolve();
  }

  #set(ref: JobRef, observation: JobObservation): JobObservation {
    this.jobs.set(nameOf(ref), observation);
    for (const listener of this.#listeners) listener(ref);
    return observation;
  }
}
