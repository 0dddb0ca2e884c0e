import {readFile, readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'vitest';
import {must} from '../../src/lib/assert.ts';
import {parseScanState} from '../../src/schema/state.ts';
import {eventually} from '../support/eventually.ts';
import {CommandError} from '../support/kubernetes/command.ts';
import {Deployment} from '../support/kubernetes/deployment.ts';
import {untilJobEnds} from '../support/kubernetes/jobs.ts';
import {isOwn, test as base, whyNoCluster} from '../support/kubernetes/rig.ts';

/** `test` with scanplane as it is deployed: two APIs, two controllers, three members of etcd. The same for all tests of this file, which build on each other. */
const test = base
  .extend('started', {scope: 'file'}, async ({opened}, {onCleanup}): Promise<Deployment | undefined> => {
    if (opened === undefined || !isOwn(opened.cluster)) return undefined;
    const started = await Deployment.start(opened.cluster);
    onCleanup(async () => started.dispose());
    return started;
  })
  .extend(
    'deployed',
    async ({started, skip}): Promise<Deployment> => started ?? skip(`no Kubernetes of our own: ${whyNoCluster() ?? 'KUBECONFIG is set'}`),
  );

/** Lists what belongs to a scan. */
const leftBy = (id: string): readonly string[] => ['get', 'jobs,pods,secrets', '--selector', `scanplane/scan=${id}`, '-o', 'name'];

async function post(deployed: Deployment, nsides: Readonly<Record<string, number>>): Promise<string> {
  const event: unknown = JSON.parse(await readFile(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));
  const {status, body} = await deployed.call('POST', '/v2/scan', {
    body: {
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: event, nsides, real_or_simulated_event: 'real', max_pixel_reco_time: 60},
      ...{request_clusters: {kubernetes: 2}, scanner_server_memory: '200M', worker_memory: '200M'},
    },
  });
  expect({status, body}).toMatchObject({status: 200, body: {scan_id: expect.any(String)}});
  return (body as {readonly scan_id: string}).scan_id;
}

async function untilState(deployed: Deployment, id: string, wanted: string): Promise<void> {
  await eventually(
    async () => {
      const stored = await deployed.etcdctl('get', '--print-value-only', `/scan/${id}/state`);
      const state = stored === '' ? undefined : parseScanState(stored, id);
      if (state?.name !== wanted) throw new Error(`${stored}\n${await deployed.whatPodsSay()}`);
    },
    {timeoutMs: 200_000, everyMs: 1000},
  );
}

test('all parts speak TLS: the API to who has a token, etcd to who has a certificate, and every member is healthy', async ({deployed}) => {
  expect((await deployed.call('GET', '/v2/scans/backlog')).status).toBe(200);
  expect((await deployed.call('GET', '/v2/scans/backlog', {token: ''})).status).toBe(403);
  expect((await deployed.call('GET', '/readyz', {token: ''})).body).toMatchObject({status: 'ok'});
  const health = JSON.parse(await deployed.etcdctl('endpoint', 'health', '--cluster', '--write-out=json')) as readonly {readonly health: boolean}[];
  expect(health.map((each) => each.health)).toEqual([true, true, true]);
  const stranger = ['exec', 'scanplane-etcd-0', '--', 'sh', '-c', 'unset ETCDCTL_CERT ETCDCTL_KEY; etcdctl get /meta --command-timeout=3s'];
  await expect(deployed.cluster.kubectl(stranger)).rejects.toThrow(CommandError);
});

test('a scan that is posted from outside runs to its final result, while the controller that leads it is deleted', async ({deployed}) => {
  const {cluster} = deployed;
  const id = await post(deployed, {'1': 0});
  const leader = await eventually(
    async () => {
      expect(await cluster.kubectl(leftBy(id))).toContain('pod/');
      return (JSON.parse(await deployed.etcdctl('get', '--print-value-only', `/scan/${id}/owner`)) as {readonly hostname: string}).hostname;
    },
    {timeoutMs: 60_000, everyMs: 500},
  );
  // No grace: it hands nothing over.
  await cluster.kubectl(['delete', 'pod', leader, '--grace-period=0', '--force', '--wait=false']);
  await untilState(deployed, id, 'COMPLETE');
  const {body} = await deployed.call('GET', `/v2/scan/${id}/result`);
  const result = body as {readonly is_final: boolean; readonly skyscan_result: Readonly<Record<string, {readonly data: readonly unknown[]}>>};
  expect(result.is_final).toBe(true);
  expect(result.skyscan_result['nside-1']?.data).toHaveLength(12);
  // What it had launched went on.
  const jobs = JSON.parse(await cluster.kubectl(['get', 'jobs', '--selector', `scanplane/scan=${id}`, '-o', 'json'])) as {
    readonly items: readonly unknown[];
  };
  expect(jobs.items).toHaveLength(2);
  await deployed.untilReady();
});

test('a scan that is deleted while it runs leaves no Job, pod or Secret', async ({deployed}) => {
  const {cluster} = deployed;
  const id = await post(deployed, {'8': 0});
  const left = async (): Promise<string> => cluster.kubectl(leftBy(id));
  await eventually(async () => expect(await left()).toMatch(/pod\/[^]*secret\//), {timeoutMs: 60_000, everyMs: 500});
  expect((await deployed.call('DELETE', `/v2/scan/${id}`)).status).toBe(200);
  await eventually(async () => expect(await left()).toBe(''), {timeoutMs: 120_000, everyMs: 1000});
});

/** What `kubectl auth can-i --list` says, without what every service account may: the rows of the account that are not those of `default`. */
async function rightsOf({cluster}: Deployment, account: string): Promise<readonly string[]> {
  const list = async (name: string): Promise<readonly string[]> => {
    const said = await cluster.kubectl(['auth', 'can-i', '--list', '--no-headers', `--as=system:serviceaccount:${cluster.namespace}:${name}`]);
    return said.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
  };
  const common = new Set(await list('default'));
  return (await list(account)).filter((line) => !common.has(line)).toSorted();
}

test('the account of the controllers may do what the engine does, those of the API and of etcd nothing', async ({deployed}) => {
  expect(await rightsOf(deployed, 'scanplane-controllers')).toEqual([
    'configmaps [] [] [create get list patch delete]',
    'events [] [] [list]',
    'jobs.batch [] [] [create get list watch patch delete]',
    'pods [] [] [list watch patch delete]',
    'pods/log [] [] [get]',
    'secrets [] [] [create get delete]',
  ]);
  expect(await rightsOf(deployed, 'scanplane-api')).toEqual([]);
  expect(await rightsOf(deployed, 'scanplane-etcd')).toEqual([]);
  // Elsewhere the controllers may do nothing, either.
  const {cluster} = deployed;
  const elsewhere = [
    'auth',
    'can-i',
    'list',
    'jobs.batch',
    '--namespace=default',
    `--as=system:serviceaccount:${cluster.namespace}:scanplane-controllers`,
  ];
  await expect(cluster.kubectl(elsewhere)).rejects.toThrow(CommandError); // it says no by its exit
  // And only they have a token to show.
  const mounts = await cluster.kubectl([
    'get',
    'pods',
    '-o',
    'jsonpath={range .items[*]}{.metadata.labels.app\\.kubernetes\\.io/name} {..mountPath}{"\\n"}{end}',
  ]);
  const withToken = mounts.split('\n').filter((line) => line.includes('/var/run/secrets/kubernetes.io/serviceaccount'));
  expect(new Set(withToken.map((line) => line.split(' ')[0]))).toEqual(new Set(['scanplane-controllers']));
});

test('a backup is verified, and restored: what was written since is gone, what was there is there, Jobs are left alone, the epoch is higher', async ({
  deployed,
}) => {
  const {cluster} = deployed;
  await deployed.etcdctl('put', '/event/before', '{"json_dict": {}}');
  await cluster.kubectl(['create', 'job', 'backup-now', '--from=cronjob/scanplane-backup']);
  expect(await untilJobEnds(cluster, 'backup-now')).toBe('Complete');
  const log = await cluster.kubectl(['logs', 'job/backup-now']);
  expect(log).toMatch(/"totalKey":\d+/);
  const [, snapshot] = must(/saved (etcd-\S+\.db) from https:/.exec(log) ?? undefined, log);
  expect(await readdir(join(deployed.folder, 'scanplane-backups'))).toEqual([snapshot]);
  expect(await deployed.script('restore.sh')).toContain(snapshot);

  await deployed.etcdctl('put', '/event/since', '{"json_dict": {}}');
  // Of another scanplane, or of a time that the snapshot does not know. It waits.
  const labels = {'scanplane/cluster': 'another'};
  const template = {
    metadata: {labels},
    spec: {restartPolicy: 'Never', containers: [{name: 'main', image: cluster.busybox, command: ['sleep', '1000']}]},
  };
  await cluster.apply({
    ...{apiVersion: 'batch/v1', kind: 'Job', metadata: {name: 'foreign', labels}, spec: {template}},
  });
  await deployed.script('restore.sh', must(snapshot, 'it was found'));

  const keys = await deployed.etcdctl('get', '--prefix', '--keys-only', '/event/');
  expect(keys).toContain('/event/before');
  expect(keys).not.toContain('/event/since');
  // The time, so that a second restore of the same backup is newer than the first.
  const {epoch} = JSON.parse(await deployed.etcdctl('get', '--print-value-only', '/meta')) as {readonly epoch: number};
  expect(epoch).toBeGreaterThan(1_000_000_000);
  const foreign = JSON.parse(await cluster.kubectl(['get', 'job', 'foreign', '-o', 'json'])) as {readonly status: {readonly active?: number}};
  expect(foreign.status.active).toBe(1);
  expect((await deployed.call('GET', '/v2/scans/backlog')).status).toBe(200);
  // The restored members have formed a cluster of three again.
  expect((await deployed.etcdctl('member', 'list')).trim().split('\n')).toHaveLength(3);
});
