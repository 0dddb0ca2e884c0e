import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {RequestManagerClient} from '../../../src/proto/request-manager-client.ts';
import {STATE_VALUE} from '../../../src/proto/state.ts';
import type {Request} from '../../../src/proto/types.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import {chainKey, scanKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {TestSystem} from '../../support/system.ts';

const {COMPLETE, FAIL, PENDING} = STATE_VALUE;

let etcd: TestEtcd;
let system: TestSystem;
let client: RequestManagerClient;

beforeAll(async () => {
  etcd = await startEtcd();
  system = await TestSystem.start({etcd});
  await system.startReplica();
  client = new RequestManagerClient(system.address);
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

/** `odd`, which nobody here can make, beside `fine`; `last` waits for both. */
function oddChain(retry: number): Chain {
  const job = (type: string, more: Partial<Chain['jobs'][string]> = {}): Chain['jobs'][string] => ({
    type,
    cluster: 'local',
    count: 1,
    retry: 0,
    sequence: 'first',
    ...more,
  });
  return {
    jobs: {first: job('fine'), odd: job('odd', {retry}), fine: job('fine'), last: job('fine')},
    adjacency: {first: ['odd', 'fine'], odd: ['last'], fine: ['last'], last: []},
    sequences: {first: {retry: 0}},
    types: {odd: {run: {kind: 'class'}}, fine: {run: {kind: 'command', command: ['true']}}},
  };
}

async function run(id: string, chain: Chain): Promise<Request> {
  await etcd.etcdctl(['put', chainKey(id), canonicalJson(chain)]);
  await etcd.etcdctl(['put', scanKey(id), '{"type":"by-hand"}']);
  return eventually(async () => {
    const request = await client.getRequest(id);
    expect(request.state).toBe(FAIL);
    return request;
  });
}

describe('4.20, 4.21 a job that cannot be made where it is to run', () => {
  test('case 244: is never begun, and each of its tries is a failure that says why', async () => {
    await run('odd1', oddChain(2));
    const logs = (await client.getJobLogs('odd1')).filter(({jobId}) => jobId === 'odd');
    expect(logs.map((log) => [log.try, log.state, log.exit, log.error])).toEqual(
      [1, 2, 3].map((number) => [number, FAIL, 1n, 'job type odd is a class, and no module of job classes is configured']),
    );
  });

  test('case 256: fails its chain with an entry in the log, while the other branches go on', async () => {
    const request = await run('odd2', oddChain(0));
    const states = Object.fromEntries(Object.entries(request.JobChain?.jobs ?? {}).map(([id, {state}]) => [id, state]));
    expect(states).toEqual({first: COMPLETE, odd: FAIL, fine: COMPLETE, last: PENDING});
    expect(await client.getJobLog('odd2', 'odd')).toMatchObject({try: 1, state: FAIL, exit: 1n, stdout: ''});
  });
});
