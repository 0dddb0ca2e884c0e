import {decodeJobStatus} from './decode.ts';
import {ProtoError} from './error.ts';
import {decodeList} from './fields.ts';
import {statusQuery} from './filter.ts';
import type {StatusFilter} from './filter.ts';
import {HttpCaller} from './http.ts';
import type {ClientOptions} from './http.ts';
import {apiPath} from './path.ts';
import type {JobChain, JobStatus, SuspendedJobChain} from './types.ts';

const accepted = [200];

/** The job runner's API. Every method throws a ProtoError: what the server says, with its status; or, with status 0, why there is no whole answer. */
export class JobRunnerClient {
  readonly #http: HttpCaller;

  /** `baseUrl` is what stands before `/api/v1`. @throws ProtoError for an address or a header that cannot be used */
  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#http = new HttpCaller(baseUrl, options);
  }

  /** Starts a chain. @returns its address with the runner that has it; that runner is at its origin */
  async newJobChain(chain: JobChain): Promise<URL> {
    return this.#begin(apiPath('job-chains'), chain);
  }

  /** Goes on with a chain that was suspended. @returns as {@link newJobChain} does */
  async resumeJobChain(suspended: SuspendedJobChain): Promise<URL> {
    return this.#begin(apiPath('job-chains', 'resume'), suspended);
  }

  async stopRequest(id: string): Promise<void> {
    await this.#http.call({method: 'PUT', path: apiPath('job-chains', id, 'stop'), accepted});
  }

  /** The jobs that run there now. */
  async getRunning(filter: StatusFilter = {}): Promise<JobStatus[]> {
    const call = {method: 'GET', path: apiPath('status', 'running'), query: statusQuery(filter), accepted} as const;
    return this.#http.read(call, (value) => decodeList(value, decodeJobStatus));
  }

  /** The server's version, as it writes it. */
  async getVersion(): Promise<string> {
    return (await this.#http.call({method: 'GET', path: '/version', accepted})).text.trim();
  }

  async #begin(path: string, payload: unknown): Promise<URL> {
    const {location = '', status} = await this.#http.call({method: 'POST', path, payload, accepted});
    const url = URL.parse(location);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      throw new ProtoError(`POST ${path}: the answer has no Location that is an address (HTTP status ${status})`, {httpStatus: status});
    return url;
  }
}
