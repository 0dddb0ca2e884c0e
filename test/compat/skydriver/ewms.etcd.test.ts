import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {checkedFetch} from '../../support/checked-fetch.ts';
import {DummyEwms} from '../../support/dummy-ewms.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {TestSystem} from '../../support/system.ts';

let etcd: TestEtcd;
let ewms: DummyEwms;
let system: TestSystem;
/** Ids of workflows are never used again: what was said of one is remembered. */
let workflows = 0;
let W: string;

const outside = {engine: 'external', capacity: 1000, settings: {}};

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  ewms = await DummyEwms.start();
  const settings = {SCANPLANE_EWMS_ADDRESS: ewms.address, SCANPLANE_TEARDOWN_SECONDS: '0.5'};
  system = await TestSystem.start({etcd, settings, clusters: {osg: outside, 'sub-2': outside}});
  await system.startReplica();
});
afterAll(async () => {
  await system?.stop();
  await ewms?.goAway();
  await etcd?.stop();
});
beforeEach(() => {
  ewms.mode = 'well';
  ewms.pageSize = 100;
  W = `W${++workflows}`;
});

interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly warning: string | null;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
  const init = body === undefined ? {method} : {method, headers: {'content-type': 'application/json'}, body: JSON.stringify(body)};
  const answer = await checkedFetch(system.address + path, init);
  return {status: answer.status, reason: answer.statusText, warning: answer.headers.get('warning'), body: await answer.json()};
}

const REQUEST = {
  ...{docker_tag: 'latest', reco_algo: 'anything', event_i3live_json: {a: 22}, nsides: {'1': 0}, real_or_simulated_event: 'real'},
  ...{max_pixel_reco_time: 60, request_clusters: {osg: 2}},
};

async function newScan(more: Record<string, unknown> = {}): Promise<string> {
  const {status, reason, body} = await ask('POST', '/scan', {...REQUEST, ...more});
  if (status !== 200) throw new Error(`POST /scan: ${status} ${reason}`);
  return body.scan_id as string;
}

const stateOf = (id: string): string | undefined => system.database.cache.scans.get(id)?.state?.value.name;
const handOver = (id: string, workflowId = W): Promise<Answer> =>
  ask('POST', `/scan/${id}/ewms/workflow-id`, {workflow_id: workflowId, ewms_address: 'ewms.foo.aq'});
const endings = (workflowId = W): string[] =>
  ewms.calls.filter(({path}) => path.includes(`/${workflowId}/actions/`)).map(({path}) => path.split('/').at(-1) ?? '');

/** A scan that runs outside, its workflow handed over. */
async function aRunningScan(): Promise<string> {
  const id = await newScan();
  await eventually(() => stateOf(id) === 'RUNNING');
  expect((await handOver(id)).status).toBe(200);
  return id;
}

/** The answer, unless it takes longer than a scanner should wait. */
async function soon(answer: Promise<Answer>): Promise<Answer> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('it took longer than 1.5 s')), 1500).unref());
  return Promise.race([answer, late]);
}

describe('B. the hand-over', () => {
  test('case 8 to 11: an admitted scan waits for its workflow, which is handed over once', async () => {
    const id = await newScan();
    await eventually(() => stateOf(id) === 'RUNNING');
    expect((await ask('GET', '/scans/backlog')).body.entries.map(({scan_id}: {scan_id: string}) => scan_id)).not.toContain(id);
    expect((await ask('GET', `/scan/${id}/manifest`)).body).toMatchObject({ewms_workflow_id: 'not-yet-requested', ewms_address: null});
    const before = {workflow_id: 'not-yet-requested', requested_ewms_workflow: false, eligible_for_ewms: true, ewms_address: null};
    expect((await ask('GET', `/scan/${id}/ewms/workflow-id`)).body).toEqual(before);
    expect((await ask('GET', `/scan/${id}/ewms/workforce`)).body).toEqual({
      ...{workflow_id: 'not-yet-requested', statuses: {}, n_running: 0, top_errors: {}},
    });
    expect((await ask('GET', `/scan/${id}/ewms/taskforces`)).body).toEqual({taskforces: []});
    expect((await ask('GET', `/scan/${id}/status`)).body.scan_state).toBe('PENDING__PRESTARTUP');

    const posted = await handOver(id);
    expect(posted.body).toMatchObject({scan_id: id, ewms_workflow_id: W, ewms_address: 'ewms.foo.aq'});
    expect((await ask('GET', `/scan/${id}/ewms/workflow-id`)).body).toEqual({
      ...{workflow_id: W, requested_ewms_workflow: true, eligible_for_ewms: true, ewms_address: 'ewms.foo.aq'},
    });
    expect((await ask('GET', `/scan/${id}/manifest`)).body).toEqual(posted.body);
    expect((await ask('GET', `/scan/${id}/status`)).body.scan_state).toBe('PENDING__WAITING_ON_SCANNER_SERVER_STARTUP');
    const again = await handOver(id);
    expect([again.status, again.reason, again.body]).toEqual([404, 'Not Found', {code: 404, error: 'Not Found'}]);
    expect(system.database.cache.scans.get(id)?.jobs).toBeUndefined();
  });

  test('case 64: workers of a scan that was handed over are added there, and a failure is told', async () => {
    const id = await aRunningScan();
    const added = await ask('POST', `/scan/${id}/actions/add-workers`, {n_workers: 5, cluster_location: 'osg'});
    expect(added.body).toEqual({taskforce_uuid: 'TF9', n_workers: 5});
    expect(ewms.callsOf('/T1/actions/add-workers').at(-1)?.body).toEqual({cluster_location: 'osg', n_workers: 5});
    const refused = await ask('POST', `/scan/${id}/actions/add-workers`, {n_workers: 5, cluster_location: 'nowhere'});
    expect([refused.status, refused.reason]).toEqual([500, 'failed to request additional workers on EWMS--contact admins']);
    expect(system.database.cache.scans.get(id)?.control).toBeUndefined();
  });

  test('a scan ends although its workload manager refuses to end the workflow', async () => {
    const id = await aRunningScan();
    ewms.mode = 'refuses';
    expect((await ask('DELETE', `/scan/${id}`, {})).status).toBe(200);
    await eventually(() => stateOf(id) === 'STOPPED');
    expect(endings()).toEqual(['abort']);
  });

  test('case 11: of two hand-overs at the same moment one is taken', async () => {
    const id = await newScan();
    await eventually(() => stateOf(id) === 'RUNNING');
    const answers = await Promise.all(['A', 'B', 'C'].map((name) => handOver(id, `${W}${name}`)));
    expect(answers.map(({status}) => status).sort((a, b) => a - b)).toEqual([200, 404, 404]);
    const taken = answers.find(({status}) => status === 200)?.body.ewms_workflow_id as string;
    expect((await ask('GET', `/scan/${id}/ewms/workflow-id`)).body.workflow_id).toBe(taken);
  });

  test('case 11: what is not to run any more is handed over to nobody', async () => {
    const id = await newScan();
    await eventually(() => stateOf(id) === 'RUNNING');
    await ask('DELETE', `/scan/${id}`);
    expect((await handOver(id)).status).toBe(404);
    await eventually(() => stateOf(id) === 'STOPPED');
    expect((await handOver(id)).status).toBe(404);
    expect((await ask('GET', `/scan/${id}/status`)).body).toMatchObject({
      scan_state: 'PENDING__PRESTARTUP',
      is_deleted: true,
      ewms_deactivated: null,
    });
    expect(endings()).toEqual([]);
  });

  test('a hand-over and an admission to our own engines at the same moment: one of them counts, and nothing runs twice', async () => {
    const posted = [0, 1, 2, 3, 4, 5, 6, 7].map(async () => {
      const id = await newScan({request_clusters: {local: 1}});
      return {id, answer: await handOver(id, `${W}-${id}`)};
    });
    const scans = await Promise.all(posted);
    const ids = scans.map(({id}) => id);
    await eventually(() => ids.every((id) => stateOf(id) === 'RUNNING'), {timeoutMs: 15_000});
    for (const {id, answer} of scans) {
      const record = system.database.cache.scans.get(id);
      const isOutside = answer.status === 200;
      expect([record?.state?.value.external, record?.ewms?.value.workflow_id]).toEqual(isOutside ? [true, `${W}-${id}`] : [undefined, undefined]);
      expect(record?.jobs === undefined).toBe(isOutside);
      await ask('DELETE', `/scan/${id}`);
    }
    await eventually(() => ids.every((id) => stateOf(id) === 'STOPPED'), {timeoutMs: 15_000});
  });

  test('external clusters are not mixed with others, and a refused request writes nothing', async () => {
    const before = system.database.cache.scans.size;
    const answer = await ask('POST', '/scan', {...REQUEST, request_clusters: {osg: 1, local: 1}});
    expect([answer.status, answer.reason]).toEqual([400, "'request_clusters': cannot mix external clusters (osg) with others (local)"]);
    await system.database.cache.catchUp();
    expect(system.database.cache.scans.size).toBe(before);
    expect(await newScan({request_clusters: {osg: 1, 'sub-2': 1}})).toBeTypeOf('string');
  });
});

describe('what the workload manager says is shown', () => {
  test('taskforces as they are, from all pages, and their sum', async () => {
    const id = await aRunningScan();
    const taskforces = [
      {taskforce_uuid: 'TF1', anything: [1], compound_statuses: {RUNNING: {Tasking: 2, Done: 1}, IDLE: {null: 3}}, top_task_errors: {boom: 1}},
      {taskforce_uuid: 'TF2', compound_statuses: {RUNNING: {Tasking: 1, FatalError: 4}}, top_task_errors: {boom: 2}},
      {taskforce_uuid: 'TF3', compound_statuses: {}, top_task_errors: {}},
    ];
    ewms.taskforces.set(W, taskforces);
    ewms.pageSize = 1;
    expect((await ask('GET', `/scan/${id}/ewms/taskforces`)).body).toEqual({taskforces});
    const workforce = {
      ...{workflow_id: W, statuses: {RUNNING: {Tasking: 3, Done: 1, FatalError: 4}, IDLE: {null: 3}}, n_running: 3, top_errors: {boom: 3}},
    };
    expect((await ask('GET', `/scan/${id}/ewms/workforce`)).body).toEqual(workforce);
    expect((await ask('GET', `/scan/${id}/status`)).body.ewms_workforce).toEqual(workforce);
  });

  test('a workflow that somebody else deactivated decides the state code', async () => {
    const id = await aRunningScan();
    ewms.deactivated.set(W, 'abort');
    await eventually(async () => {
      const {body} = await ask('GET', `/scan/${id}/status`);
      expect(body).toMatchObject({scan_state: 'ABORT__WAITING_ON_SCANNER_SERVER_STARTUP', ewms_deactivated: 'abort', is_deleted: false});
    });
  });

  test.each(['hangs', 'broken', 'away'] as const)('an answer comes soon, with what was known, while it %s', async (trouble) => {
    const id = await aRunningScan();
    ewms.taskforces.set(W, [{compound_statuses: {IDLE: {null: 3}}, top_task_errors: {}}]);
    const known = (await ask('GET', `/scan/${id}/status`)).body;
    expect(known.ewms_workforce.statuses).toEqual({IDLE: {null: 3}});
    if (trouble === 'away') await ewms.goAway();
    else ewms.mode = trouble;
    try {
      // What it said is current for a while; then the trouble shows, in a header alone.
      const warned = await eventually(
        async () => {
          const status = await soon(ask('GET', `/scan/${id}/status`));
          expect([status.status, status.body]).toEqual([200, known]);
          expect(status.warning).toContain('EWMS is away');
          return status;
        },
        {timeoutMs: 10_000},
      );
      expect(warned.body.ewms_deactivated).toBeNull();
      const workforce = await soon(ask('GET', `/scan/${id}/ewms/workforce`));
      expect([workforce.status, workforce.body]).toEqual([200, known.ewms_workforce]);
      // Nothing was ever known of this one.
      const other = await newScan();
      await eventually(() => stateOf(other) === 'RUNNING');
      expect((await soon(handOver(other, `${W}-other`))).status).toBe(200);
      const fresh = await soon(ask('GET', `/scan/${other}/status`));
      expect([fresh.status, fresh.body.ewms_workforce.n_running]).toEqual([200, 0]);
    } finally {
      if (trouble === 'away') await ewms.comeBack();
    }
  });
});

describe('how a workflow ends', () => {
  test('case 28: a deleted scan’s workflow is aborted; its scanner is told, and may still report', async () => {
    const id = await aRunningScan();
    const removed = await ask('DELETE', `/scan/${id}`);
    expect([removed.status, removed.body.result]).toEqual([200, {}]);
    await eventually(() => stateOf(id) === 'STOPPED');
    expect(endings()).toEqual(['abort']);
    const {body} = await ask('GET', `/scan/${id}/status`);
    expect(body).toMatchObject({scan_state: 'ABORTED__WAITING_ON_SCANNER_SERVER_STARTUP', is_deleted: true, ewms_deactivated: 'ABORTED'});
    expect((await ask('PATCH', `/scan/${id}/manifest`, {scan_metadata: {a: 1}})).status).toBe(200);
    expect((await ask('PUT', `/scan/${id}/result`, {skyscan_result: {a: 1}, is_final: false})).status).toBe(200);
  });

  test('case 73: everything but the scan itself can be asked of a deleted scan', async () => {
    const id = await aRunningScan();
    await ask('DELETE', `/scan/${id}`);
    for (const path of ['/status', '/logs', '/i3-event', '/ewms/workflow-id', '/ewms/workforce', '/ewms/taskforces', '/k8s-job']) {
      expect([path, (await ask('GET', `/scan/${id}${path}`)).status]).toEqual([path, 200]);
    }
  });

  test('after the final result and its time the workflow is finished, and the scan COMPLETE', async () => {
    const id = await aRunningScan();
    await ask('PUT', `/scan/${id}/result`, {skyscan_result: {a: 1}, is_final: true});
    await eventually(() => stateOf(id) === 'COMPLETE');
    expect(endings()).toEqual(['finished']);
    expect((await ask('GET', `/scan/${id}/status`)).body).toMatchObject({scan_state: 'SCAN_HAS_FINAL_RESULT', ewms_deactivated: 'FINISHED'});
  });

  test('it is told until it answers, and nobody else waits for that', async () => {
    const id = await aRunningScan();
    ewms.mode = 'broken';
    await ask('DELETE', `/scan/${id}`);
    await eventually(() => endings().length >= 2);
    const other = await newScan();
    await eventually(() => stateOf(other) === 'RUNNING');
    await ask('DELETE', `/scan/${other}`);
    await eventually(() => stateOf(other) === 'STOPPED');
    expect(stateOf(id)).toBe('RUNNING');
    ewms.mode = 'well';
    await eventually(() => stateOf(id) === 'STOPPED', {timeoutMs: 20_000});
    expect(new Set(endings())).toEqual(new Set(['abort']));
  });

  test('one that is over already needs no telling', async () => {
    const id = await aRunningScan();
    ewms.deactivated.set(W, 'ABORTED');
    await ask('DELETE', `/scan/${id}`);
    await eventually(() => stateOf(id) === 'STOPPED');
    expect(endings()).toEqual(['abort']);
  });
});

test('the job of a scan is shown without secrets', async () => {
  const id = await newScan();
  const {body} = await ask('GET', `/scan/${id}/k8s-job`);
  expect(body).toMatchObject({scan_id: id, skyscan_k8s_job_dict: {kind: 'Job', metadata: {name: `skyscan-${id}`}}});
  const [init] = body.skyscan_k8s_job_dict.spec.template.spec.initContainers;
  expect(init.env).toContainEqual({name: 'SKYSCAN_SKYDRIVER_AUTH', value: '***'});
  expect(init.env).toContainEqual({name: 'EWMS_ADDRESS', value: ewms.address});
  await eventually(() => stateOf(id) === 'RUNNING');
  const started = (await ask('GET', `/scan/${id}/k8s-job`)).body.k8s_started_ts as number;
  expect(Math.abs(started - Date.now() / 1000)).toBeLessThan(60);
  expect((await ask('GET', '/scan/0123/k8s-job')).status).toBe(404);
});

test('the workers of our own engines are the workforce and the taskforces; nobody outside is asked', async () => {
  const id = await newScan({request_clusters: {local: 2}, reco_algo: 'reference'});
  await eventually(async () => expect((await ask('GET', `/scan/${id}/ewms/workforce`)).body.n_running).toBe(2), {timeoutMs: 15_000});
  const {taskforces} = (await ask('GET', `/scan/${id}/ewms/taskforces`)).body;
  expect(taskforces).toHaveLength(1);
  expect(taskforces[0]).toMatchObject({workflow_id: id, n_workers: 2, phase: 'condor-submit', compound_statuses: {RUNNING: {Tasking: 2}}});
  await ask('DELETE', `/scan/${id}`);
  await eventually(() => stateOf(id) === 'STOPPED', {timeoutMs: 15_000});
  expect((await ask('GET', `/scan/${id}/ewms/taskforces`)).body.taskforces[0].phase).toBe('condor-rm');
  expect(ewms.calls.filter(({path, body}) => path.includes(id) || JSON.stringify(body)?.includes(id) === true)).toEqual([]);
});
