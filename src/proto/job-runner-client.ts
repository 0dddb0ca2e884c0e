import {decodeJobStatus, decodeList} from './decode.ts';
import {ProtoError} from './error.ts';
import {statusQuery} from './filter.ts';
import type {StatusFilter} from './filter.ts';
import {HttpCaller} from './http.ts';
import type {ClientOptions} from './http.ts';
import type {JobChain, JobStatus, SuspendedJobChain} from './types.ts';

/** The job runner's API. Every method throws a {@link ProtoError}, with the status of the answer where there was one. */
export class JobRunnerClient {
  readonly #http: HttpCaller;

  /** `baseUrl` is what stands before `/api/v1`. */
  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#http = new HttpCaller(baseUrl, options);
  }

  /** Starts a chain. @returns where it can be spoken to, from then on */
  newJobChain(chain: JobChain): Promise<URL> {
    return this.#begin('/api/v1/job-chains', chain);
  }

  /** Goes on with a chain that was suspended. @returns where it can be spoken to, from then on */
  resumeJobChain(suspended: SuspendedJobChain): Promise<URL> {
    return this.#begin('/api/v1/job-chains/resume', suspended);
  }

  async stopRequest(id: string): Promise<void> {
    await this.#http.call('PUT', `/api/v1/job-chains/${encodeURIComponent(id)}/stop`, [200]);
  }

  async running(filter: StatusFilter = {}): Promise<JobStatus[]> {
    return decodeList((await this.#http.call('GET', `/api/v1/status/running${statusQuery(filter)}`, [200])).body, decodeJobStatus);
  }

  async #begin(path: string, payload: unknown): Promise<URL> {
    const {location} = await this.#http.call('POST', path, [200], payload);
    const url = location === undefined ? null : URL.parse(location);
    if (url === null) throw new ProtoError(`POST ${path}: the answer has no Location`, {httpStatus: 200});
    return url;
  }
}
