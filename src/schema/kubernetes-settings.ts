/**
 * What a scan's Kubernetes job is made of besides the scan: names of the site, images, limits. CPUs are cores, times seconds.
 *
 * @see SkyDriver 2.x, settings `K8S_…`, `S3_…`, `SKYSCAN_…`, `EWMS_…`
 */
export interface KubernetesSettings {
  readonly namespace: string;
  /** What Argo CD calls the application that jobs belong to. */
  readonly applicationName: string;
  /** The Secret that holds the S3 keys. */
  readonly secretName: string;
  /** Empty: the namespace's own. */
  readonly serviceAccount: string;
  /** The image that holds the init container and the sidecar. */
  readonly skydriverImage: string;
  readonly ttlSecondsAfterFinished: number;
  readonly activeDeadlineSeconds: number;
  readonly scannerCpuLimit: number;
  readonly scannerCpuRequest: number;
  readonly init: HelperLimits;
  readonly sidecar: HelperLimits;
  /** How long the sidecar waits for the file that it uploads. */
  readonly sidecarLifetimeSeconds: number;
  /** Where workers find the scanner's images, as `skymap_scanner:<tag>`. */
  readonly imageDirectory: string;
  readonly maxWorkerRuntimeSeconds: number;
  readonly pilotTimeoutQueueIncoming?: number;
  readonly s3Url: string;
  readonly s3Bucket: string;
  readonly s3ExpiresInSeconds: number;
  /** Keys of the Secret. */
  readonly s3AccessKeyIdSecretKey: string;
  readonly s3SecretKeySecretKey: string;
  /** Handed to the scanner where set. */
  readonly scannerEnvironment: Readonly<Partial<Record<(typeof SCANNER_VARIABLES)[number], string>>>;
}

/** Limits of the init container or of the sidecar. Memory is a Kubernetes quantity. */
export interface HelperLimits {
  readonly memoryLimit: string;
  readonly cpuLimit: number;
  readonly memoryRequest: string;
  readonly cpuRequest: number;
}

/** In the order in which the scanner gets them. */
export const SCANNER_VARIABLES = [
  'SKYSCAN_PROGRESS_INTERVAL_SEC',
  'SKYSCAN_RESULT_INTERVAL_SEC',
  'SKYSCAN_MQ_TIMEOUT_FROM_CLIENTS',
  'SKYSCAN_LOG',
  'SKYSCAN_LOG_THIRD_PARTY',
] as const;

const text = (fallback: string) => ({type: 'string', default: fallback}) as const;
const seconds = (fallback: number) => ({type: 'integer', minimum: 0, default: fallback}) as const;
const cores = (fallback: number) => ({type: 'number', exclusiveMinimum: 0, default: fallback}) as const;
const helper = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {memoryLimit: text('100M'), cpuLimit: cores(0.1), memoryRequest: text('10M'), cpuRequest: cores(0.05)},
} as const;

export const kubernetesSettingsSchema = {
  type: 'object',
  additionalProperties: false,
  default: {},
  properties: {
    namespace: text(''),
    applicationName: text(''),
    secretName: text(''),
    serviceAccount: text(''),
    skydriverImage: text(''),
    ttlSecondsAfterFinished: seconds(600),
    activeDeadlineSeconds: seconds(172_800),
    scannerCpuLimit: cores(1),
    scannerCpuRequest: cores(0.1),
    init: helper,
    sidecar: helper,
    sidecarLifetimeSeconds: seconds(900),
    imageDirectory: text('/cvmfs/icecube.opensciencegrid.org/containers/realtime'),
    maxWorkerRuntimeSeconds: seconds(86_400),
    pilotTimeoutQueueIncoming: {type: 'integer', minimum: 0},
    s3Url: text(''),
    s3Bucket: text(''),
    s3ExpiresInSeconds: seconds(604_800),
    s3AccessKeyIdSecretKey: text(''),
    s3SecretKeySecretKey: text(''),
    scannerEnvironment: {
      type: 'object',
      additionalProperties: false,
      default: {},
      properties: Object.fromEntries(SCANNER_VARIABLES.map((name) => [name, {type: 'string'}])),
    },
  },
} as const;
