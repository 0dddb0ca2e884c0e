import {expect, test} from 'vitest';
import {k8sJobSettings, loadConfig} from '../../src/config.ts';
import {HIDDEN_SECRETS} from '../../src/model/k8s-environment.ts';
import {buildK8sJob} from '../../src/model/k8s-job.ts';
import type {K8sJobSettings} from '../../src/model/k8s-job.ts';
import {pythonFloat, pythonText} from '../../src/model/scanner-command.ts';
import type {SkymapRequest} from '../../src/schema/scan.ts';
import {aSpec} from '../support/builders.ts';

const ID = '18c2d3e4f50x0123456789abcdef0123';

/** The reference's test environment. */
const SETTINGS: K8sJobSettings = {
  kubernetes: {
    ...loadConfig({}).kubernetes,
    namespace: 'test_k8s_namespace',
    applicationName: 'test_k8s_app_name',
    secretName: 'super-secrets',
    skydriverImage: 'ghcr.io/wipacrepo/skydriver:vX.Y.Z',
    imageDirectory: '/images/',
    s3Url: 'https://s3.example',
    s3Bucket: 'bucket',
    s3AccessKeyIdSecretKey: 'access-key',
    s3SecretKeySecretKey: 'secret-key',
  },
  skydriverAddress: 'https://skydriver.ci-test.aq',
  ewms: {address: 'http://localhost:8081', tokenUrl: 'https://keycloak.example/token', clientId: 'client'},
};
const SECRETS = {scannerToken: '', ewmsClientSecret: 'client-secret'};

const request = (more: Partial<SkymapRequest> = {}): SkymapRequest =>
  aSpec({
    docker_tag: '3.4.0',
    nsides: [
      ['1', 2],
      ['3', 4],
    ],
    max_pixel_reco_time: 60,
    debug_mode: ['client-logs'],
    request_clusters: [
      ['foobar', 1],
      ['a-schedd', 999],
      ['cloud', 4568],
      ['a-schedd', 1],
      ['cloud', 2],
    ],
    scanner_server_env_from_user: [['MY_ENV_VAR', true]],
    ...more,
  }).request;

const job = (more: Partial<SkymapRequest> = {}, settings = SETTINGS, secrets: Parameters<typeof buildK8sJob>[2] = SECRETS) =>
  // oxlint-disable-next-line typescript/no-explicit-any
  buildK8sJob({id: ID, request: request(more)}, settings, secrets) as any;
// oxlint-disable-next-line typescript/no-explicit-any
const pod = (built: any) => built.spec.template.spec;
const envOf = (container: {env: {name: string; value?: string}[]}): Record<string, string | undefined> =>
  Object.fromEntries(container.env.map(({name, value}) => [name, value]));

const S3 = [
  {name: 'S3_URL', value: 'https://s3.example'},
  {name: 'S3_ACCESS_KEY_ID', valueFrom: {secretKeyRef: {name: 'super-secrets', key: 'access-key'}}},
  {name: 'S3_SECRET_KEY', valueFrom: {secretKeyRef: {name: 'super-secrets', key: 'secret-key'}}},
  {name: 'S3_EXPIRES_IN', value: '604800'},
  {name: 'S3_BUCKET', value: 'bucket'},
  {name: 'S3_OBJECT_KEY', value: `${ID}-s3-object`},
];
const MOUNTS = [{name: 'common-space-volume', mountPath: '/common-space'}];
const HELPER = {limits: {memory: '100M', cpu: '0.1'}, requests: {memory: '10M', cpu: '0.05', 'ephemeral-storage': '1M'}};

test('case 6: the job of a scan is the reference’s', () => {
  expect(job()).toEqual({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: 'test_k8s_namespace',
      name: `skyscan-${ID}`,
      labels: {'app.kubernetes.io/instance': 'test_k8s_app_name'},
      annotations: {
        'argocd.argoproj.io/sync-options': 'Prune=false',
        'argocd.argoproj.io/tracking-id': `test_k8s_app_name:apps/Job:test_k8s_namespace/skyscan-${ID}`,
      },
    },
    spec: {
      ttlSecondsAfterFinished: 600,
      backoffLimit: 0,
      activeDeadlineSeconds: 172800,
      template: {
        metadata: {labels: {app: 'scanner-instance'}},
        spec: {
          serviceAccountName: null,
          restartPolicy: 'Never',
          volumes: [{name: 'common-space-volume', emptyDir: {}}],
          initContainers: [
            {
              name: `init-ewms-${ID}`,
              image: 'ghcr.io/wipacrepo/skydriver:vX.Y.Z',
              command: ['python', '-m', 'ewms_init_container'],
              args: [ID, '--json-out', '/common-space/ewms.json'],
              env: [
                {name: 'SKYSCAN_SKYDRIVER_ADDRESS', value: 'https://skydriver.ci-test.aq'},
                {name: 'SKYSCAN_SKYDRIVER_AUTH', value: ''},
                {name: 'EWMS_ADDRESS', value: 'http://localhost:8081'},
                {name: 'EWMS_TOKEN_URL', value: 'https://keycloak.example/token'},
                {name: 'EWMS_CLIENT_ID', value: 'client'},
                {name: 'EWMS_CLIENT_SECRET', value: 'client-secret'},
                {name: 'EWMS_CLUSTERS', value: 'foobar a-schedd cloud a-schedd cloud'},
                {name: 'EWMS_N_WORKERS', value: '1'},
                {name: 'EWMS_TASK_IMAGE', value: '/images/skymap_scanner:3.4.0'},
                {name: 'EWMS_PILOT_TASK_TIMEOUT', value: '60'},
                {name: 'EWMS_PILOT_QUARANTINE_TIME', value: '60'},
                {name: 'EWMS_PILOT_DUMP_TASK_OUTPUT', value: 'True'},
                {name: 'EWMS_WORKER_MAX_WORKER_RUNTIME', value: '86400'},
                {name: 'EWMS_WORKER_PRIORITY', value: '0'},
                {name: 'EWMS_WORKER_DISK_BYTES', value: '1000000000'},
                {name: 'EWMS_WORKER_MEMORY_BYTES', value: '8000000000'},
                ...S3,
              ],
              resources: HELPER,
              volumeMounts: MOUNTS,
            },
          ],
          containers: [
            {
              name: `skyscan-server-${ID}`,
              image: 'icecube/skymap_scanner:3.4.0',
              command: [],
              args: [
                ...['python', '-m', 'skymap_scanner.server', '--reco-algo', 'anything', '--cache-dir', '/common-space'],
                ...['--client-startup-json', '/common-space/startup.json', '--nsides', '1:2', '3:4', '--real-event'],
                ...['--predictive-scanning-threshold', '1.0'],
              ],
              env: [
                {name: 'SKYSCAN_EWMS_JSON', value: '/common-space/ewms.json'},
                {name: 'SKYSCAN_SKYDRIVER_ADDRESS', value: 'https://skydriver.ci-test.aq'},
                {name: 'SKYSCAN_SKYDRIVER_SCAN_ID', value: ID},
                {name: 'SKYSCAN_EWMS_PILOT_LOG', value: 'WARNING'},
                {name: 'SKYSCAN_MQ_CLIENT_LOG', value: 'WARNING'},
                {name: 'SKYSCAN_SKYDRIVER_AUTH', value: ''},
                {name: 'MY_ENV_VAR', value: 'True'},
              ],
              resources: {
                limits: {memory: '1024000000', cpu: '1.0'},
                requests: {memory: '1024000000', cpu: '0.1', 'ephemeral-storage': '8G'},
              },
              volumeMounts: MOUNTS,
            },
            {
              name: `sidecar-s3-${ID}`,
              image: 'ghcr.io/wipacrepo/skydriver:vX.Y.Z',
              command: ['python', '-m', 's3_sidecar'],
              args: ['/common-space/startup.json', '--wait-indefinitely'],
              env: [{name: 'K8S_SCANNER_SIDECAR_S3_LIFETIME_SECONDS', value: '900'}, ...S3],
              resources: HELPER,
              volumeMounts: MOUNTS,
            },
          ],
        },
      },
    },
  });
});

test('case 6: the settings of a site are in it, in the reference’s order', () => {
  const kubernetes = {
    ...SETTINGS.kubernetes,
    serviceAccount: 'robot',
    pilotTimeoutQueueIncoming: 300,
    scannerEnvironment: {SKYSCAN_LOG_THIRD_PARTY: 'INFO', SKYSCAN_PROGRESS_INTERVAL_SEC: '15', SKYSCAN_LOG: 'DEBUG'},
  };
  const {serviceAccountName, initContainers, containers} = pod(job({debug_mode: []}, {...SETTINGS, kubernetes}));
  expect(serviceAccountName).toBe('robot');
  const names = (initContainers[0].env as {name: string}[]).map(({name}) => name);
  expect(names.slice(8, 11)).toEqual(['EWMS_TASK_IMAGE', 'EWMS_PILOT_TIMEOUT_QUEUE_INCOMING', 'EWMS_PILOT_TASK_TIMEOUT']);
  expect(envOf(initContainers[0])).toMatchObject({EWMS_PILOT_TIMEOUT_QUEUE_INCOMING: '300', EWMS_PILOT_DUMP_TASK_OUTPUT: 'False'});
  expect((containers[0].env as {name: string}[]).slice(3, 7).map(({name}) => name)).toEqual([
    'SKYSCAN_PROGRESS_INTERVAL_SEC',
    'SKYSCAN_LOG',
    'SKYSCAN_LOG_THIRD_PARTY',
    'SKYSCAN_EWMS_PILOT_LOG',
  ]);
});

test('what a user gave comes last and as Python would write it', () => {
  const {containers} = pod(
    job({
      scanner_server_env_from_user: [
        ['SKYSCAN_MQ_CLIENT_LOG', 'DEBUG'],
        ['N', null],
        ['F', 1.5],
        ['B', false],
      ],
      real_or_simulated_event: 'sim',
      predictive_scanning_threshold: 0.5,
    }),
  );
  expect(containers[0].env.slice(-4)).toEqual([
    {name: 'SKYSCAN_MQ_CLIENT_LOG', value: 'DEBUG'},
    {name: 'N', value: 'None'},
    {name: 'F', value: '1.5'},
    {name: 'B', value: 'False'},
  ]);
  expect(containers[0].args.slice(-3)).toEqual(['--simulated-event', '--predictive-scanning-threshold', '0.5']);
});

test.each([
  [0.00001, '1e-05'],
  [1.25e-7, '1.25e-07'],
  [-0.5, '-0.5'],
  [0.0001, '0.0001'],
  [3, '3'],
])('the number %d is written %s', (value, text) => {
  expect(pythonText(value)).toBe(text);
});

test('a whole number that is a float keeps its point', () => {
  expect([pythonFloat(1), pythonFloat(0.1), pythonFloat(2.5)]).toEqual(['1.0', '0.1', '2.5']);
});

test('secrets may be references, and are hidden where a job is shown', () => {
  const ref = (key: string) => ({secretKeyRef: {name: `skyscan-${ID}`, key}});
  const referring = pod(job({}, SETTINGS, {scannerToken: ref('token'), ewmsClientSecret: ref('ewms')}));
  expect(referring.containers[0].env).toContainEqual({name: 'SKYSCAN_SKYDRIVER_AUTH', valueFrom: ref('token')});
  expect(referring.initContainers[0].env).toContainEqual({name: 'EWMS_CLIENT_SECRET', valueFrom: ref('ewms')});
  const hidden = pod(job({}, SETTINGS, HIDDEN_SECRETS));
  expect(envOf(hidden.initContainers[0])).toMatchObject({SKYSCAN_SKYDRIVER_AUTH: '***', EWMS_CLIENT_SECRET: '***'});
  expect(envOf(hidden.containers[0])).toMatchObject({SKYSCAN_SKYDRIVER_AUTH: '***'});
});

test('settings come from the configuration, without our client’s secret', () => {
  const env = {SCANPLANE_K8S_NAMESPACE: 'ns', SCANPLANE_EWMS_ADDRESS: 'http://e', SCANPLANE_EWMS_CLIENT_SECRET: 'hush', SCANPLANE_API_PORT: '81'};
  const settings = k8sJobSettings(loadConfig(env));
  expect(settings).toMatchObject({skydriverAddress: 'http://127.0.0.1:81', kubernetes: {namespace: 'ns', init: {cpuLimit: 0.1}}});
  expect(JSON.stringify(settings)).not.toContain('hush');
});
