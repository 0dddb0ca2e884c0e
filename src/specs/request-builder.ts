import type {Chain} from '../schema/chain.ts';
import {buildChain} from './build-chain.ts';
import {jobIdsOf} from './job-ids.ts';
import type {JobMaker} from './job-maker.ts';
import {requestOf, resolveRequestArgs} from './request-args.ts';
import type {Specs} from './spec.ts';

/** Builds the chains of requests. */
export interface RequestBuilder {
  readonly specs: Specs;
  /**
   * The chain of a request, with its arguments as they were resolved. The same for the same id, type and arguments.
   *
   * @param args what the caller gave, a JSON object
   * @throws ControlPlaneError as `buildChain`
   */
  build(id: string, type: string, args: Readonly<Record<string, unknown>>): Promise<Chain>;
}

/** Request types from specs, their jobs from a job maker. `defaultCluster` is where those run whose type names no other. */
export class SpecRequestBuilder implements RequestBuilder {
  readonly specs: Specs;
  readonly #maker: JobMaker;
  readonly #defaultCluster: string;

  constructor(specs: Specs, maker: JobMaker, defaultCluster: string) {
    this.specs = specs;
    this.#maker = maker;
    this.#defaultCluster = defaultCluster;
  }

  async build(id: string, type: string, args: Readonly<Record<string, unknown>>): Promise<Chain> {
    const {list} = resolveRequestArgs(requestOf(this.specs, type), args);
    const options = {requestId: id, ids: jobIdsOf(id), maker: this.#maker, defaultCluster: this.#defaultCluster};
    return {...(await buildChain(this.specs, type, args, options)), request_args: list};
  }
}
