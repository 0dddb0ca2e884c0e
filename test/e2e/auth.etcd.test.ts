import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {TokenFile} from '../../src/api/auth/token-file.ts';
import {newToken} from '../../src/api/auth/token-entry.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';
import {sampleEvent} from '../examples/sample-events.ts';

const ADA = newToken('ada', ['user']);

let etcd: TestEtcd;
let system: TestSystem;
let directory: string;

beforeAll(async () => {
  etcd = await startEtcd();
  directory = mkdtempSync(join(tmpdir(), 'scanplane-tokens-'));
  const file = join(directory, 'tokens.json');
  writeFileSync(file, JSON.stringify([ADA.entry]), {mode: 0o600});
  system = await TestSystem.start({etcd, authenticator: new TokenFile(file, systemClock, silentLog)});
  await system.startReplica();
});
afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  rmSync(directory, {recursive: true});
});

test('where everybody has to say who they are a scan runs to its end by the token it was given, which is nowhere stored', async () => {
  const headers = {authorization: `Bearer ${ADA.token}`, 'content-type': 'application/json'};
  const posted = await checkedFetch(`${system.address}/scan`, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: sampleEvent(), nsides: {'1': 0}, real_or_simulated_event: 'real'},
      ...{max_pixel_reco_time: 60, request_clusters: {local: 1}},
    }),
  });
  const {scan_id: id} = (await posted.json()) as {scan_id: string};
  await eventually(() => system.database.cache.scans.get(id)?.state?.value.name === 'COMPLETE', {timeoutMs: 25_000});

  const everything = await etcd.etcdctl(['get', '--prefix', '']);
  expect(everything).toMatch(/"token_digest":\s*"[0-9a-f]{64}"/);
  expect(everything).not.toMatch(new RegExp(`${id}\\.[0-9a-f]{64}`));
  expect((await checkedFetch(`${system.address}/scan/${id}/result`)).status).toBe(403);
  expect((await checkedFetch(`${system.address}/scan/${id}/result`, {headers})).status).toBe(200);
});
