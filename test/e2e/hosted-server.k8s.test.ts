import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect, onTestFinished} from 'vitest';
import type {ApiJob, ApiList, ApiObject, ApiPod} from '../../src/engines/kubernetes/objects.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {DummyEwms} from '../support/dummy-ewms.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {test} from '../support/kubernetes/rig.ts';
import type {OwnCluster} from '../support/kubernetes/rig.ts';
import {readRig} from '../support/kubernetes/rig-files.ts';
import {SKYDRIVER_IMAGE, packSkydriver} from '../support/kubernetes/skydriver-image.ts';
import {TestSystem} from '../support/system.ts';

const SECRET = 'hush-hush';
const WORKER = fileURLToPath(new URL('../../examples/scanner/worker.ts', import.meta.url));
const EVENT = new URL('../../examples/events/sample-event.json', import.meta.url);

/** A site as SkyDriver's: servers in its own Kubernetes, workers from EWMS, start-up files handed over by S3. */
interface Site {
  readonly system: TestSystem;
  readonly ewms: DummyEwms;
  /** What was uploaded, by the address's path. */
  readonly uploads: Map<string, {readonly content: string; readonly key: string}>;
  post(): Promise<string>;
  stateOf(id: string): ScanState | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- answers are read as they come
  get(path: string): Promise<any>;
}

async function openSite(own: OwnCluster): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-site-'));
  const archive = join(folder, 'skydriver.tar');
  await packSkydriver(archive, (await readRig(own.folder)).build.bin);
  await own.importImage(archive);
  const uploads: Site['uploads'] = new Map();
  const s3 = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      uploads.set(request.url ?? '', {content: Buffer.concat(chunks).toString(), key: String(request.headers['x-key'])});
      response.end();
    });
  });
  s3.listen(0, '127.0.0.1');
  await once(s3, 'listening');
  await own.apply({apiVersion: 'v1', kind: 'Secret', metadata: {name: 's3-keys'}, stringData: {id: 'the-id', secret: 'the-key'}});
  const config = join(folder, 'config.json');
  const kubernetes = {
    ...{
      skydriverImage: SKYDRIVER_IMAGE,
      applicationName: 'skydriver',
      secretName: 's3-keys',
      s3AccessKeyIdSecretKey: 'id',
      s3SecretKeySecretKey: 'secret',
    },
    ...{
      s3Url: `http://${await own.expose((s3.address() as AddressInfo).port)}`,
      s3Bucket: 'scans',
      scannerEnvironment: {SKYSCAN_PROGRESS_INTERVAL_SEC: '1'},
    },
  };
  await writeFile(config, JSON.stringify({kubernetes}));
  const [etcd, ewms] = await Promise.all([startEtcd(), DummyEwms.start()]);
  const settings = {
    ...{kubeconfig: own.kubeconfig, namespace: own.namespace, image: await own.nodeImage()},
    scanner_server: ['node', '/app/examples/scanner/server.ts'],
    // The node of the tests has not as much.
    container: {resources: {requests: {'ephemeral-storage': '10M'}}},
    pod: {metadata: {labels: {team: 'realtime'}}},
  };
  const system = await TestSystem.start({
    etcd,
    settings: {
      SCANPLANE_CONFIG: config,
      SCANPLANE_EWMS_ADDRESS: ewms.address,
      SCANPLANE_EWMS_CLIENT_SECRET: SECRET,
      SCANPLANE_TEARDOWN_SECONDS: '30',
    },
    clusters: {
      k8s: {engine: 'kubernetes', capacity: 0, settings},
      osg: {engine: 'external', capacity: 100, settings: {server_cluster: 'k8s'}},
    },
    expose: (port) => own.expose(port),
  });
  onTestFinished(async () => {
    await system.stop();
    await Promise.all([etcd.stop(), ewms.goAway()]);
    s3.close();
    await rm(folder, {recursive: true, force: true});
  });
  await system.startReplica();
  const event: unknown = JSON.parse(await readFile(EVENT, 'utf8'));
  const get: Site['get'] = async (path) => (await checkedFetch(`${system.address}${path}`)).json();
  return {
    system,
    ewms,
    uploads,
    get,
    stateOf: (id) => system.database.cache.scans.get(id)?.state?.value,
    async post() {
      const body = {
        ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: event, nsides: {'1': 0}, real_or_simulated_event: 'real'},
        ...{max_pixel_reco_time: 60, request_clusters: {osg: 3}, scanner_server_memory: '300M'},
        scanner_server_env: {SCANNER_PIXEL_WORK: '0.2'},
      };
      const headers = {'content-type': 'application/json'};
      const posted = await checkedFetch(`${system.address}/v2/scan`, {method: 'POST', headers, body: JSON.stringify(body)});
      return ((await posted.json()) as {readonly scan_id: string}).scan_id;
    },
  };
}

interface ShapedJob extends ApiObject {
  readonly spec: {readonly template: {readonly spec: unknown}};
}

async function liveOf<T>(own: OwnCluster, kind: 'job' | 'pod', id: string): Promise<readonly T[]> {
  return (JSON.parse(await own.kubectl(['get', kind, '-l', `scanplane/scan=${id}`, '-o', 'json'])) as ApiList<T>).items ?? [];
}

async function untilEnded(site: Site, id: string, own: OwnCluster): Promise<ScanState | undefined> {
  return eventually(
    async () => {
      const state = site.stateOf(id);
      if (!['COMPLETE', 'FAIL', 'STOPPED'].includes(state?.name ?? ''))
        throw new Error(`${JSON.stringify(state)}\n${await own.kubectl(['get', 'jobs,pods'])}`);
      return state;
    },
    {timeoutMs: 150_000, everyMs: 500},
  );
}

test('a scan whose workers come from EWMS: its server is the Job that is shown, hands over, and reports to the final result', async ({own}) => {
  const site = await openSite(own);
  const {ewms, uploads} = site;
  const get = (path: string): ReturnType<Site['get']> => site.get(path);
  const id = await site.post();
  ewms.taskforces.set(`W-${id}`, [{compound_statuses: {RUNNING: {Tasking: 1}}, top_task_errors: {}}]);

  const upload = await eventually(
    async () => {
      const found = uploads.get(`/scans/${id}-s3-object`);
      if (found === undefined) throw new Error(`${JSON.stringify(site.stateOf(id))}\n${await own.kubectl(['describe', 'pods'])}`);
      return found;
    },
    {timeoutMs: 90_000, everyMs: 500},
  );
  expect(upload.key).toBe('the-id/the-key');

  // What is shown is what is there. Who listens where is known to the replica alone; what a server adds to any Job it adds to what is shown, too.
  const [live] = await liveOf<ShapedJob>(own, 'job', id);
  const text = JSON.stringify(live);
  expect(text).not.toContain(SECRET);
  const address = /"SKYSCAN_SKYDRIVER_ADDRESS","value":"([^"]*)"/.exec(text)?.[1] ?? '';
  const {skyscan_k8s_job_dict: shown} = await get(`/scan/${id}/k8s-job`);
  const renamed = {...shown, metadata: {...shown.metadata, name: 'another'}};
  const taken = await own.kubectl(
    ['create', '--dry-run=server', '-o', 'json', '-f', '-'],
    JSON.stringify(renamed).replaceAll('"http://127.0.0.1:0"', JSON.stringify(address)),
  );
  const {template, ...spec} = (JSON.parse(taken) as ShapedJob).spec;
  expect(live?.spec.template.spec).toEqual(template.spec);
  expect(live?.spec).toMatchObject({...shown.spec, selector: expect.anything(), template: expect.anything()});
  expect(Object.keys(live?.spec ?? {}).sort()).toEqual([...Object.keys(spec), 'template'].sort());
  expect(live?.metadata).toMatchObject(shown.metadata);
  const {initContainers, containers} = shown.spec.template.spec;
  expect([...initContainers, ...containers].map(({name}: {name: string}) => name)).toEqual([
    `init-ewms-${id}`,
    `skyscan-server-${id}`,
    `sidecar-s3-${id}`,
  ]);
  expect(shown.metadata.labels).toMatchObject({'app.kubernetes.io/instance': 'skydriver', 'scanplane/scan': id});
  expect(shown.spec.template.metadata.labels).toMatchObject({app: 'scanner-instance', team: 'realtime'});
  expect((await get(`/scan/${id}/ewms/workflow-id`)).workflow_id).toBe(`W-${id}`);

  // oxlint-disable-next-line typescript/no-explicit-any -- answers are read as they come
  const podOf = async (): Promise<any> => {
    const {pods} = await get(`/v1/scan/${id}/status?include_pod_statuses=true`);
    expect([pods.pod_message, Object.keys(pods.pod_status)]).toEqual(['retrieved', [pod?.metadata.name]]);
    return pods.pod_status[pod?.metadata.name ?? ''];
  };
  const [pod] = await liveOf<ApiPod>(own, 'pod', id);
  await eventually(async () =>
    expect(await podOf()).toMatchObject({
      ...{phase: 'Running', pod_ip: pod?.status?.podIP, qos_class: 'Burstable'},
      init_container_statuses: [{name: `init-ewms-${id}`, state: {running: null, terminated: {exit_code: 0, reason: 'Completed'}}}],
      container_statuses: expect.arrayContaining([
        expect.objectContaining({
          name: `skyscan-server-${id}`,
          ready: true,
          state: {waiting: null, running: {started_at: expect.any(String)}, terminated: null},
        }),
      ]),
    }),
  );

  // As a pilot would, elsewhere.
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-pilot-'));
  onTestFinished(() => rm(folder, {recursive: true}));
  const startup = join(folder, 'startup.json');
  await writeFile(startup, upload.content);
  const worker = spawn(process.execPath, [WORKER, '--client-startup-json', startup], {stdio: 'ignore'});
  onTestFinished(() => void worker.kill());
  expect(await untilEnded(site, id, own)).toMatchObject({name: 'COMPLETE'});
  expect(ewms.callsOf(`/W-${id}/actions/finished`)).toHaveLength(1);
  expect((await get(`/scan/${id}/result`)).is_final).toBe(true);
  expect(site.system.database.cache.scans.get(id)?.jobs?.get('server')?.value.tries).toHaveLength(1);

  // What was seen last is kept when the pod is not.
  await own.kubectl(['delete', 'pod', pod?.metadata.name ?? '', '--ignore-not-found']);
  expect(await liveOf<ApiPod>(own, 'pod', id)).toEqual([]);
  expect(await podOf()).toMatchObject({
    phase: 'Succeeded',
    container_statuses: expect.arrayContaining([
      expect.objectContaining({
        name: `skyscan-server-${id}`,
        ready: false,
        state: expect.objectContaining({terminated: expect.objectContaining({exit_code: 0})}),
      }),
    ]),
  });
  const {pods, ...status} = await get(`/scan/${id}/status?include_pod_statuses=true`);
  expect(Object.keys(pods.pod_status)).toEqual([pod?.metadata.name]);
  expect(await get(`/scan/${id}/status`)).toEqual(status);
});

test('a server that dies after its workflow was handed over fails its scan: another would have no workers', async ({own}) => {
  const site = await openSite(own);
  const id = await site.post();
  const pod = await eventually(
    async () => {
      const [found] = await liveOf<ApiPod>(own, 'pod', id);
      expect(found?.status?.containerStatuses?.find(({name}) => name === `skyscan-server-${id}`)?.state?.running).toBeDefined();
      return found?.metadata.name ?? '';
    },
    {timeoutMs: 90_000, everyMs: 500},
  );
  await own.kubectl(['delete', 'pod', pod, '--wait=false']);
  expect(await untilEnded(site, id, own)).toMatchObject({
    name: 'FAIL',
    reason: 'the scanner server ended after its workflow was handed over: its pod was deleted',
  });
  expect(site.ewms.callsOf(`/W-${id}/actions/abort`)).toHaveLength(1);
  const {pods} = await site.get(`/scan/${id}/status?include_pod_statuses=true`);
  expect(pods.pod_status[pod].phase).toBe('Failed');
  expect(await liveOf<ApiJob>(own, 'job', id)).toHaveLength(1);
});
