import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import type {Blobs} from '../store/blobs.ts';
import type {Cache} from '../store/cache.ts';
import type {GroupCommit} from '../store/contracts.ts';
import type {Store} from '../store/store.ts';
import type {Idempotency} from './idempotency/idempotency.ts';
import type {ApiMetrics} from './metrics.ts';
import type {FindLimits} from './scans/find.ts';

export interface ApiConfig {
  /** The address under which clients reach us, without a slash at the end. */
  readonly publicAddress: string;
  /** Largest body of a result or a scan request; 100 MiB unless told. */
  readonly bodyLimitBytes?: number;
  /** Where the scanner's images lie as `skymap_scanner:<tag>`. Without it any tag is taken as given. */
  readonly imageDirectory?: string;
  /** Whether a proxy stands before us whose `X-Forwarded-Proto` and `X-Forwarded-Host` may be believed; not unless told. */
  readonly trustProxy?: boolean;
  /** How long a repeated request is known by its `Idempotency-Key`; a day unless told. */
  readonly idempotencySeconds?: number;
  /** What one search may take; 5 s, 100,000 manifests and 256 MiB unless told. */
  readonly find?: Partial<FindLimits>;
}

/** What the API works with; `main.ts` picks the implementations. */
export interface ApiDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly groupCommit: GroupCommit;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: ApiConfig;
}

/** {@link ApiDeps} with what {@link createApp} adds for its routes. */
export interface RouteDeps extends ApiDeps {
  readonly metrics: ApiMetrics;
  readonly idempotency: Idempotency;
  /** Whether the cache has been filled once. */
  isCacheReady(): boolean;
}

export const DEFAULT_BODY_LIMIT_BYTES = 100 * 1024 * 1024;
