import {readFileSync} from 'node:fs';
import {ControlPlaneError} from './lib/errors.ts';
import {isTrustedUrl} from './lib/loopback.ts';
import type {K8sJobSettings} from './model/k8s-job.ts';
import {parserFor} from './schema/validate.ts';
import {clusterSchema} from './schema/cluster.ts';
import type {Cluster} from './schema/cluster.ts';
import {kubernetesSettingsSchema} from './schema/kubernetes-settings.ts';
import type {KubernetesSettings} from './schema/kubernetes-settings.ts';
import type {DatabaseOptions} from './store/open.ts';

/** How to reach etcd, and how to keep it small. */
export interface EtcdConfig extends DatabaseOptions {
  readonly quotaBytes: number;
  readonly compaction: boolean;
  /** History kept when compacting. */
  readonly keepHistorySeconds: number;
}

/** Text sets that version 2 of the API can be told to speak. */
const TEXT_SET_NAMES = ['v2-main', 'v2-next', 'v2.4'] as const;
export type TextSetName = (typeof TEXT_SET_NAMES)[number];

/** Where a server listens. With `cert` and `key` (files, PEM) it speaks HTTPS alone. */
export interface ListenConfig {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly cert: string;
  readonly key: string;
}

export interface ApiConfig extends ListenConfig {
  /** The address that clients and scanners use; empty: host and port. */
  readonly publicAddress: string;
  readonly bodyLimitBytes: number;
  /** How long it goes on serving, not ready any more, when it is told to end: what a proxy takes to send requests elsewhere. */
  readonly drainSeconds: number;
  /** The words in which version 2 of the API tells what is wrong with a request. */
  readonly texts: TextSetName;
  /** Where the scanner's images lie as `skymap_scanner:<tag>`; empty: any tag is taken as given. */
  readonly imageDirectory: string;
  /** Whether a proxy stands before us whose `X-Forwarded-Proto` and `X-Forwarded-Host` may be believed. */
  readonly trustProxy: boolean;
  /** How long a repeated request is known by its `Idempotency-Key`. */
  readonly idempotencySeconds: number;
  /** What one search may take: time of its own, manifests and bytes of the answer. */
  readonly findSeconds: number;
  readonly findRows: number;
  readonly findBytes: number;
  /** Tags of the scanner's images, where they do not lie in a directory. */
  readonly images: readonly string[];
  /** The oldest release that may be asked for, as X.Y.Z; empty: any. */
  readonly minImageTag: string;
}

/** An outside workload manager, and our own client there. Without `tokenUrl` calls carry no token. */
export interface EwmsConfig {
  /** Empty: there is none. */
  readonly address: string;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** How callers of the API prove who they are. */
export interface AuthConfig {
  /** Empty: not at all, which is allowed on loopback only. `none`: not at all, anywhere. */
  readonly methods: readonly AuthMethod[];
  /** The OpenID Connect provider's address, to which `/.well-known/openid-configuration` is added. */
  readonly openidUrl: string;
  /** What the `aud` of an OpenID Connect token must contain. */
  readonly audience: string;
  /** Signature algorithms that are accepted. */
  readonly algorithms: readonly string[];
  /** File of static tokens. */
  readonly tokensFile: string;
  /** Roles that may do everything with every request. */
  readonly adminRoles: readonly string[];
  /** Whether a type of request without access list is nobody's but the admins', instead of everybody's. */
  readonly strict: boolean;
  /** Who has it may say what became of requests, as job runners do. */
  readonly executorRole: string;
}

/** Requests of other types than the sky scan. */
export interface RequestsConfig {
  /** Directory of their specs; empty: there are none. */
  readonly specs: string;
  /** The module of job classes; empty: there is none. */
  readonly jobsModule: string;
  /** Where jobs run whose type names no other cluster. */
  readonly defaultCluster: string;
}

const AUTH_METHODS = ['none', 'oidc', 'tokens'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];
/** Those whose public key cannot make tokens. */
const SIGNATURE_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const;

export interface ControllersConfig {
  readonly ttlSeconds: number;
  /** A job that no controller has renewed for so long ends itself. */
  readonly orphanAfterSeconds: number;
  /** From the final result to the end of a server that does not exit by itself. */
  readonly teardownSeconds: number;
  readonly stopGraceSeconds: number;
  /** How many further tries a failed job gets. */
  readonly jobRetries: number;
  readonly retryBaseSeconds: number;
  readonly outputLimitBytes: number;
  /** Pause between two starts of scans with priority 100 or more, and of others; 0: none. */
  readonly asapStartSeconds: number;
  readonly startSeconds: number;
  /** How often scans are looked for whose server was killed from outside; 0: never. */
  readonly watchdogSeconds: number;
  readonly janitorSeconds: number;
  /** How long what is wrong with a processing block, and may mend itself, is waited for: a dependency that does not exist, a script that does not end. */
  readonly blockGraceSeconds: number;
  /** How long something must have looked forgotten before the janitor removes it: longer than any creation takes. */
  readonly janitorGraceSeconds: number;
  /** How long the run directory of a scan that has ended is kept. */
  readonly keepJobsSeconds: number;
  /** The address that scanners are given; empty: the API's public address. */
  readonly scannerAddress: string;
  /** Where the process engine keeps its jobs; empty: no process engine in this process. */
  readonly runDirectory: string;
}

/** Where a process that runs controllers takes job chains, and tells what runs in its care. */
export interface RunnerConfig extends ListenConfig {
  /** The address that others use; empty: host and port. */
  readonly publicAddress: string;
}

export interface Config {
  readonly logLevel: string;
  readonly etcd: EtcdConfig;
  readonly api: ApiConfig;
  readonly auth: AuthConfig;
  readonly controllers: ControllersConfig;
  readonly runner: RunnerConfig;
  readonly requests: RequestsConfig;
  readonly ewms: EwmsConfig;
  readonly kubernetes: KubernetesSettings;
  /** Written to `/cluster/[name]` at start where no such key exists. */
  readonly clusters: Readonly<Record<string, Cluster>>;
}

const text = (fallback: string) => ({type: 'string', default: fallback}) as const;
const whole = (fallback: number, minimum: number) => ({type: 'integer', minimum, default: fallback}) as const;
const amount = (fallback: number, minimum: number) => ({type: 'number', minimum, default: fallback}) as const;
const section = (properties: Readonly<Record<string, unknown>>) => ({type: 'object', additionalProperties: false, default: {}, properties}) as const;

const MIB = 1024 * 1024;

const schema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    logLevel: {enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], default: 'info'},
    etcd: section({
      endpoints: {type: 'array', minItems: 1, items: {type: 'string', pattern: '^(https?://)?[^/\\s]+$'}, default: ['http://127.0.0.1:2379']},
      prefix: {type: 'string', pattern: '^(/[\\w.-]+)*$', default: ''},
      user: {type: 'string'},
      password: {type: 'string'},
      cacert: {type: 'string'},
      cert: {type: 'string'},
      key: {type: 'string'},
      quotaBytes: whole(2048 * MIB, 4 * MIB),
      compaction: {type: 'boolean', default: true},
      keepHistorySeconds: amount(300, 0),
    }),
    api: section({
      host: text('127.0.0.1'),
      port: {type: 'integer', minimum: 0, maximum: 65535, default: 8080},
      cert: text(''),
      key: text(''),
      publicAddress: text(''),
      bodyLimitBytes: whole(100 * MIB, 1024),
      drainSeconds: amount(0, 0),
      imageDirectory: text(''),
      trustProxy: {type: 'boolean', default: false},
      idempotencySeconds: whole(86_400, 1),
      texts: {enum: TEXT_SET_NAMES, default: 'v2-main'},
      images: {type: 'array', items: {type: 'string', minLength: 1}, default: []},
      minImageTag: {type: 'string', pattern: '^([vV]?\\d+\\.\\d+\\.\\d+)?$', default: ''},
      findSeconds: amount(5, 0.01),
      findRows: whole(100_000, 1),
      findBytes: whole(256 * MIB, MIB),
    }),
    auth: section({
      methods: {type: 'array', uniqueItems: true, items: {enum: AUTH_METHODS}, default: []},
      openidUrl: text(''),
      audience: {type: 'string', minLength: 1, default: 'skydriver'},
      algorithms: {type: 'array', minItems: 1, items: {enum: SIGNATURE_ALGORITHMS}, default: ['RS256', 'RS512']},
      tokensFile: text(''),
      adminRoles: {type: 'array', items: {type: 'string', minLength: 1}, default: []},
      strict: {type: 'boolean', default: false},
      executorRole: {type: 'string', minLength: 1, default: 'executor'},
    }),
    controllers: section({
      ttlSeconds: whole(10, 2),
      orphanAfterSeconds: amount(600, 1),
      teardownSeconds: amount(60, 0),
      stopGraceSeconds: amount(10, 0),
      jobRetries: whole(2, 0),
      retryBaseSeconds: amount(1, 0),
      outputLimitBytes: whole(MIB, 1024),
      asapStartSeconds: amount(0, 0),
      startSeconds: amount(0, 0),
      watchdogSeconds: amount(60, 0),
      blockGraceSeconds: amount(60, 0),
      janitorSeconds: amount(30, 0.1),
      janitorGraceSeconds: amount(300, 0),
      keepJobsSeconds: amount(86_400, 0),
      scannerAddress: text(''),
      runDirectory: text(''),
    }),
    runner: section({
      host: text('127.0.0.1'),
      port: {type: 'integer', minimum: 0, maximum: 65535, default: 0},
      cert: text(''),
      key: text(''),
      publicAddress: text(''),
    }),
    requests: section({
      specs: text(''),
      jobsModule: text(''),
      defaultCluster: {type: 'string', minLength: 1, default: 'local'},
    }),
    ewms: section({
      address: text(''),
      tokenUrl: {type: 'string', pattern: '^(https?://.+)?$', default: ''},
      clientId: text(''),
      clientSecret: text(''),
    }),
    kubernetes: kubernetesSettingsSchema,
    clusters: {type: 'object', default: {}, additionalProperties: clusterSchema},
  },
} as const;

const parseConfig = parserFor<Config>('configuration', schema);

/** Environment variable → path in {@link Config}. Numbers, truth values and lists are read from their text. */
const VARIABLES: Readonly<Record<string, readonly [string, string?]>> = {
  SCANPLANE_LOG_LEVEL: ['logLevel'],
  SCANPLANE_ETCD_ENDPOINTS: ['etcd', 'endpoints'],
  SCANPLANE_ETCD_PREFIX: ['etcd', 'prefix'],
  SCANPLANE_ETCD_USER: ['etcd', 'user'],
  SCANPLANE_ETCD_PASSWORD: ['etcd', 'password'],
  SCANPLANE_ETCD_CACERT: ['etcd', 'cacert'],
  SCANPLANE_ETCD_CERT: ['etcd', 'cert'],
  SCANPLANE_ETCD_KEY: ['etcd', 'key'],
  SCANPLANE_ETCD_QUOTA_BYTES: ['etcd', 'quotaBytes'],
  SCANPLANE_ETCD_COMPACTION: ['etcd', 'compaction'],
  SCANPLANE_KEEP_HISTORY_SECONDS: ['etcd', 'keepHistorySeconds'],
  SCANPLANE_API_HOST: ['api', 'host'],
  SCANPLANE_API_PORT: ['api', 'port'],
  SCANPLANE_API_CERT: ['api', 'cert'],
  SCANPLANE_API_KEY: ['api', 'key'],
  SCANPLANE_PUBLIC_ADDRESS: ['api', 'publicAddress'],
  SCANPLANE_DRAIN_SECONDS: ['api', 'drainSeconds'],
  SCANPLANE_BODY_LIMIT_BYTES: ['api', 'bodyLimitBytes'],
  SCANPLANE_IMAGE_DIRECTORY: ['api', 'imageDirectory'],
  SCANPLANE_TRUST_PROXY: ['api', 'trustProxy'],
  SCANPLANE_IDEMPOTENCY_SECONDS: ['api', 'idempotencySeconds'],
  SCANPLANE_FIND_SECONDS: ['api', 'findSeconds'],
  SCANPLANE_FIND_ROWS: ['api', 'findRows'],
  SCANPLANE_FIND_BYTES: ['api', 'findBytes'],
  SCANPLANE_TEXTS: ['api', 'texts'],
  SCANPLANE_IMAGES: ['api', 'images'],
  SCANPLANE_MIN_IMAGE_TAG: ['api', 'minImageTag'],
  SCANPLANE_EWMS_ADDRESS: ['ewms', 'address'],
  SCANPLANE_EWMS_TOKEN_URL: ['ewms', 'tokenUrl'],
  SCANPLANE_EWMS_CLIENT_ID: ['ewms', 'clientId'],
  SCANPLANE_EWMS_CLIENT_SECRET: ['ewms', 'clientSecret'],
  SCANPLANE_K8S_NAMESPACE: ['kubernetes', 'namespace'],
  SCANPLANE_K8S_APPLICATION_NAME: ['kubernetes', 'applicationName'],
  SCANPLANE_K8S_SECRET_NAME: ['kubernetes', 'secretName'],
  SCANPLANE_K8S_SERVICE_ACCOUNT: ['kubernetes', 'serviceAccount'],
  SCANPLANE_K8S_SKYDRIVER_IMAGE: ['kubernetes', 'skydriverImage'],
  SCANPLANE_K8S_IMAGE_DIRECTORY: ['kubernetes', 'imageDirectory'],
  SCANPLANE_AUTH: ['auth', 'methods'],
  SCANPLANE_AUTH_OPENID_URL: ['auth', 'openidUrl'],
  SCANPLANE_AUTH_AUDIENCE: ['auth', 'audience'],
  SCANPLANE_AUTH_ALGORITHMS: ['auth', 'algorithms'],
  SCANPLANE_AUTH_TOKENS_FILE: ['auth', 'tokensFile'],
  SCANPLANE_AUTH_ADMIN_ROLES: ['auth', 'adminRoles'],
  SCANPLANE_AUTH_STRICT: ['auth', 'strict'],
  SCANPLANE_AUTH_EXECUTOR_ROLE: ['auth', 'executorRole'],
  SCANPLANE_SPECS: ['requests', 'specs'],
  SCANPLANE_JOBS_MODULE: ['requests', 'jobsModule'],
  SCANPLANE_DEFAULT_CLUSTER: ['requests', 'defaultCluster'],
  SCANPLANE_TTL_SECONDS: ['controllers', 'ttlSeconds'],
  SCANPLANE_ORPHAN_AFTER_SECONDS: ['controllers', 'orphanAfterSeconds'],
  SCANPLANE_TEARDOWN_SECONDS: ['controllers', 'teardownSeconds'],
  SCANPLANE_STOP_GRACE_SECONDS: ['controllers', 'stopGraceSeconds'],
  SCANPLANE_JOB_RETRIES: ['controllers', 'jobRetries'],
  SCANPLANE_RETRY_BASE_SECONDS: ['controllers', 'retryBaseSeconds'],
  SCANPLANE_OUTPUT_LIMIT_BYTES: ['controllers', 'outputLimitBytes'],
  SCANPLANE_ASAP_START_SECONDS: ['controllers', 'asapStartSeconds'],
  SCANPLANE_START_SECONDS: ['controllers', 'startSeconds'],
  SCANPLANE_WATCHDOG_SECONDS: ['controllers', 'watchdogSeconds'],
  SCANPLANE_KEEP_JOBS_SECONDS: ['controllers', 'keepJobsSeconds'],
  SCANPLANE_JANITOR_GRACE_SECONDS: ['controllers', 'janitorGraceSeconds'],
  SCANPLANE_BLOCK_GRACE_SECONDS: ['controllers', 'blockGraceSeconds'],
  SCANPLANE_JANITOR_SECONDS: ['controllers', 'janitorSeconds'],
  SCANPLANE_SCANNER_ADDRESS: ['controllers', 'scannerAddress'],
  SCANPLANE_RUN_DIRECTORY: ['controllers', 'runDirectory'],
  SCANPLANE_RUNNER_HOST: ['runner', 'host'],
  SCANPLANE_RUNNER_PORT: ['runner', 'port'],
  SCANPLANE_RUNNER_CERT: ['runner', 'cert'],
  SCANPLANE_RUNNER_KEY: ['runner', 'key'],
  SCANPLANE_RUNNER_ADDRESS: ['runner', 'publicAddress'],
  SCANPLANE_CLUSTERS: ['clusters'],
};

/**
 * The configuration of one process: the file named by `SCANPLANE_CONFIG` (JSON, the shape of {@link Config}), over which environment variables win. Frozen.
 *
 * @throws ControlPlaneError `invalid`, naming the field or the variable.
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>> = process.env): Config {
  const file = env['SCANPLANE_CONFIG'];
  const given = (file === undefined || file === '' ? {} : readJson(file)) as Record<string, Record<string, unknown>>;
  for (const [variable, [name, field]] of Object.entries(VARIABLES)) {
    const value = env[variable];
    if (value === undefined || value === '') continue;
    if (field === undefined) (given as Record<string, unknown>)[name] = name === 'clusters' ? jsonOf(variable, value) : value;
    else (given[name] ??= {})[field] = fromText(field, value);
  }
  const unknown = Object.keys(env).filter((name) => name.startsWith('SCANPLANE_') && !(name in VARIABLES) && !KNOWN_ELSEWHERE.has(name));
  if (unknown.length > 0) throw new ControlPlaneError('invalid', `unknown setting ${unknown.join(', ')}`);
  const config = parseConfig(JSON.stringify(given), file ?? 'environment');
  const {orphanAfterSeconds, ttlSeconds} = config.controllers;
  // Else the jobs of a dead replica end before another can take them over.
  if (orphanAfterSeconds <= ttlSeconds) {
    throw new ControlPlaneError('invalid', `controllers.orphanAfterSeconds (${orphanAfterSeconds}) must be more than ttlSeconds (${ttlSeconds})`);
  }
  checkAuth(config.auth);
  checkRunner(config.runner);
  checkCertificate(config.api, 'SCANPLANE_API');
  checkCertificate(config.runner, 'SCANPLANE_RUNNER');
  return deepFreeze(config);
}

/** What was set for a method that was not named is a mistake, which might leave the API open. @throws ControlPlaneError `invalid` */
function checkAuth({methods, openidUrl, tokensFile}: AuthConfig): void {
  const fail = (reason: string): ControlPlaneError => new ControlPlaneError('invalid', reason);
  if (methods.includes('none') && methods.length > 1) throw fail('SCANPLANE_AUTH: none cannot go with another');
  for (const [method, value, variable] of [
    ['oidc', openidUrl, 'SCANPLANE_AUTH_OPENID_URL'],
    ['tokens', tokensFile, 'SCANPLANE_AUTH_TOKENS_FILE'],
  ] as const) {
    if (methods.includes(method) && value === '') throw fail(`SCANPLANE_AUTH names ${method}, which needs ${variable}`);
    if (!methods.includes(method) && value !== '') throw fail(`${variable} is set, but SCANPLANE_AUTH does not name ${method}`);
  }
  // Whoever can change what the provider says could make tokens.
  if (openidUrl !== '' && !isTrustedUrl(openidUrl))
    throw fail('SCANPLANE_AUTH_OPENID_URL must be an https address without a password (http on loopback only)');
}

/** An address that every machine calls its own is no address to be given to others. @throws ControlPlaneError `invalid` */
function checkRunner({host, publicAddress: address}: RunnerConfig): void {
  const isEverywhere = ['0.0.0.0', '::', '[::]', ''].includes(host);
  if (isEverywhere && address === '')
    throw new ControlPlaneError('invalid', 'SCANPLANE_RUNNER_HOST is no address to be reached at: set SCANPLANE_RUNNER_ADDRESS');
}

/** Half of a certificate would be plain HTTP where somebody wanted HTTPS. @throws ControlPlaneError `invalid` */
function checkCertificate({cert, key}: ListenConfig, prefix: string): void {
  if ((cert === '') === (key === '')) return;
  throw new ControlPlaneError('invalid', `${prefix}_CERT and ${prefix}_KEY go together: ${prefix}_${cert === '' ? 'CERT' : 'KEY'} is missing`);
}

/** Variables of this name space that others read: the test harness, the bootstrap and our own jobs. */
const KNOWN_ELSEWHERE: ReadonlySet<string> = new Set(['SCANPLANE_CONFIG', 'SCANPLANE_ETCD', 'SCANPLANE_TEST_ETCD']);

const TEXT_FIELDS: ReadonlySet<string> = new Set([
  'prefix',
  'user',
  'password',
  'cacert',
  'cert',
  'key',
  'host',
  'publicAddress',
  'scannerAddress',
  'runDirectory',
  'imageDirectory',
  'minImageTag',
  'address',
  'tokenUrl',
  'clientId',
  'clientSecret',
  'namespace',
  'applicationName',
  'secretName',
  'serviceAccount',
  'skydriverImage',
  'openidUrl',
  'audience',
  'tokensFile',
  'executorRole',
  'specs',
  'jobsModule',
  'defaultCluster',
]);
/** Fields whose text is a list, separated by commas. */
const LIST_FIELDS: ReadonlySet<string> = new Set(['endpoints', 'images', 'methods', 'algorithms', 'adminRoles']);

function fromText(field: string, value: string): unknown {
  if (TEXT_FIELDS.has(field)) return value;
  if (LIST_FIELDS.has(field)) return value.split(',').map((each) => each.trim());
  if (value === 'true' || value === 'false') return value === 'true';
  const number = Number(value);
  return Number.isNaN(number) ? value : number;
}

function jsonOf(variable: string, value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (err) {
    throw new ControlPlaneError('invalid', `${variable} is not JSON: ${(err as Error).message}`, {cause: err});
  }
}

function readJson(file: string): unknown {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (err) {
    throw new ControlPlaneError('invalid', `cannot read the configuration ${file}`, {cause: err});
  }
  try {
    return JSON.parse(content);
  } catch (err) {
    throw new ControlPlaneError('invalid', `the configuration ${file} is not JSON: ${(err as Error).message}`, {cause: err});
  }
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object') {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}

/** The address under which clients reach the API, without a slash at the end. */
export function publicAddress(api: ApiConfig): string {
  return api.publicAddress === '' ? ownAddress(api, api.port) : api.publicAddress.replace(/\/$/, '');
}

/** The address that a process which takes job chains is spoken to at, without a slash at the end, once it listens on `port`. */
export function runnerAddress(runner: RunnerConfig, port: number): string {
  return runner.publicAddress === '' ? ownAddress(runner, port) : runner.publicAddress.replace(/\/$/, '');
}

function ownAddress({host, cert}: ListenConfig, port: number): string {
  return `${cert === '' ? 'http' : 'https'}://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

/** The address that scanners report to. */
export function scannerAddress(config: Pick<Config, 'api' | 'controllers'>): string {
  return config.controllers.scannerAddress || publicAddress(config.api);
}

/** What the Kubernetes jobs of scans are made of; without our client's secret. */
export function k8sJobSettings(config: Config): K8sJobSettings {
  const {address, tokenUrl, clientId} = config.ewms;
  return {kubernetes: config.kubernetes, skydriverAddress: scannerAddress(config), ewms: {address, tokenUrl, clientId}};
}

/** What the engines of Kubernetes clusters need: where a pod finds its API server, and what programs that give credentials inherit. */
export function clusterEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): Record<string, string> {
  const names = ['KUBERNETES_SERVICE_HOST', 'KUBERNETES_SERVICE_PORT', 'USER', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'HTTPS_PROXY', 'NO_PROXY'];
  const own = Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
  return {...inheritedEnvironment(env), ...own};
}

/** What every job of the process engine inherits; whom to trust, too, since it reports to us. */
export function inheritedEnvironment(env: Readonly<Record<string, string | undefined>> = process.env): Record<string, string> {
  const names = ['PATH', 'HOME', 'LANG', 'TZ', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}
