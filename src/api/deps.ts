import type {TextSetName} from '../config.ts';
import type {Clock} from '../lib/clock.ts';
import type {EwmsViews} from '../ewms/views.ts';
import type {Log} from '../lib/log.ts';
import type {K8sJobSettings} from '../model/k8s-job.ts';
import type {RequestBuilder} from '../specs/request-builder.ts';
import type {Blobs} from '../store/blobs.ts';
import type {Cache} from '../store/cache.ts';
import type {GroupCommit} from '../store/contracts.ts';
import type {Store} from '../store/store.ts';
import type {Authenticator} from './auth/authenticator.ts';
import type {RecentChanges} from './blocks/recent-changes.ts';
import type {Generation} from './generation.ts';
import type {Idempotency} from './idempotency/idempotency.ts';
import type {ApiMetrics} from './metrics.ts';
import type {Authorize, GateOptions} from './requests/gate.ts';
import type {FindLimits} from './scans/find.ts';
import type {TextSet} from './texts/text-set.ts';

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
  /** The words in which version 2 tells what is wrong; `v2-main` unless told. */
  readonly texts?: TextSetName;
  /** Tags of the scanner's images, where they do not lie in a directory. */
  readonly images?: readonly string[];
  /** The oldest release that may be asked for, as X.Y.Z. */
  readonly minImageTag?: string;
  /** What Kubernetes jobs are made of. */
  readonly k8sJob?: K8sJobSettings;
  /** What one search may take; 5 s, 100,000 manifests and 256 MiB unless told. */
  readonly find?: Partial<FindLimits>;
}

/** Requests of other types than the sky scan. */
export interface RequestParts {
  /** Absent where there are no specs: then the sky scan is the only type. */
  readonly builder?: RequestBuilder;
  /** Who may do what with them; unless told: no admins, not strict, executors have the role `executor`. */
  readonly policy?: Pick<GateOptions, 'adminRoles' | 'strict' | 'executorRole'>;
  readonly authorize?: Authorize;
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
  /** What the outside workload manager says; absent where none is configured. */
  readonly ewms?: EwmsViews;
  /** Who is believed to be whom. Without one nobody is asked: on loopback, or where that was asked for by name. */
  readonly authenticator?: Authenticator | undefined;
  readonly requests?: RequestParts;
  /** Aborts when the process is told to end: then no more requests are taken on Spin Cycle's routes. */
  readonly stopping?: AbortSignal;
}

/** {@link ApiDeps} with what {@link createApp} adds for its routes. */
export interface RouteDeps extends ApiDeps {
  readonly metrics: ApiMetrics;
  readonly idempotency: Idempotency;
  readonly texts: Readonly<Record<Generation, TextSet>>;
  /** What changed lately among blocks, scripts and deployments. */
  readonly recentChanges: RecentChanges;
  /** Whether the cache has been filled once. */
  isCacheReady(): boolean;
}

export const DEFAULT_BODY_LIMIT_BYTES = 100 * 1024 * 1024;
