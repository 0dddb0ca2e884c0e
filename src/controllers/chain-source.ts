import {ControlPlaneError} from '../lib/errors.ts';
import type {Chain, StoredChain} from '../schema/chain.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {RequestSpec} from '../schema/scan.ts';
import {skymapChain} from '../specs/skymap-chain.ts';
import {readChain, stageChain} from '../store/chain-store.ts';
import type {StagedChain} from '../store/chain-store.ts';
import type {Blobs} from '../store/blobs.ts';

/** Builds the chain of a request. @throws ControlPlaneError `invalid`: it cannot be built, and why. `unavailable`: not now */
export type BuildChain = (id: string, spec: RequestSpec) => Promise<Chain>;

/** Stands for a site that has no request specs. */
export const noRequestTypes: BuildChain = (_, {type}) =>
  Promise.reject(new ControlPlaneError('invalid', `no request type is called ${type}: no specs are configured`));

/** Where the chains of requests come from. */
export class ChainSource {
  readonly #blobs: Blobs;
  readonly #build: BuildChain;

  constructor(blobs: Blobs, build: BuildChain) {
    this.#blobs = blobs;
    this.#build = build;
  }

  /** The chain of a sky scan: as it is stored, or as it will be. `retry` is how many further tries its jobs get. */
  skymap({id, spec, chain}: ScanRecord, retry: number): Promise<Chain> {
    if (chain !== undefined) return this.read(id, chain.value);
    return skymapChain({request_clusters: spec?.value.request?.request_clusters ?? []}, retry);
  }

  /** The whole chain of what a request's key holds. */
  read(id: string, stored: Chain | StoredChain): Promise<Chain> {
    return readChain(this.#blobs, id, stored);
  }

  /** Builds the chain of a request that was put by hand, and stores what of it is large. @throws as {@link BuildChain} */
  async build(id: string, spec: RequestSpec): Promise<StagedChain> {
    return stageChain(this.#blobs, id, await this.#build(id, spec));
  }
}
