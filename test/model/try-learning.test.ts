import {expect, test} from 'vitest';
import {ChainRun} from '../../src/model/chain-run.ts';
import {JobTable} from '../../src/model/job-table.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {addTry} from '../../src/model/job-try.ts';
import {LEARNT_AT_ONCE, learn} from '../../src/model/try-learning.ts';
import type {JobChanges, Observed} from '../../src/model/try-learning.ts';
import type {Chain} from '../../src/schema/chain.ts';
import type {Job, JobExit} from '../../src/schema/job.ts';
import {PODS_KEPT} from '../../src/schema/pod-seen.ts';
import type {PodSeen} from '../../src/schema/pod-seen.ts';
import {aJob, aScan, aTry, entry} from '../support/builders.ts';
import {POLICY, aChain} from '../support/chain-world.ts';

const NOW = Date.parse('2026-01-01T10:00:00.000Z');

/** What is learnt of a chain all of whose jobs run. */
function learnOf(chain: Chain, observed: Readonly<Record<string, Observed>>, more: Partial<Job> = {}): JobChanges {
  const running = Object.keys(chain.jobs).map((id): [string, Job] => [id, aJob({type: 't', retry: 0, ...more})]);
  const jobs = JobTable.of(running.map(([id, job]) => [id, entry(job)]));
  const admission = entry({attempt: 1, slots: {local: 1000}, admitted_at: ''});
  const record: ScanRecord = {id: 'r1', spec: entry({type: 'anything', args: {}}), chain: entry(chain), admission, jobs};
  const run = new ChainRun(chain, 1, NOW, running);
  return learn({record, observed: new Map(Object.entries(observed)), nowMs: NOW, ownedForMs: 0, policy: POLICY, run});
}

const exited = (exit: Partial<JobExit>): Observed => ({kind: 'exited', handle: 'h', exit: {code: 0, ended_at: '2026-01-01T09:00:00.000Z', ...exit}});

test('jobs that are seen to be complete together count in the order in which they ended', () => {
  const changes = learnOf(aChain({a: [], b: [], c: []}), {
    a: exited({ended_at: '2026-01-01T09:00:03.000Z'}),
    b: exited({ended_at: '2026-01-01T09:00:01Z'}),
    c: exited({ended_at: '2026-01-01T09:00:02.000Z'}),
  });
  expect([...changes].map(([id, {completed}]) => [id, completed])).toEqual([
    ['b', 1],
    ['c', 2],
    ['a', 3],
  ]);
});

test('of hundreds that ended at once, as many are learnt of as one transaction can tell, the first ones first', () => {
  const ids = Array.from({length: 300}, (_, n) => `j${n}`);
  const ended = ids.map((id, n): [string, Observed] => [id, exited({ended_at: new Date(NOW - n * 1000).toISOString()})]);
  const changes = learnOf(aChain(Object.fromEntries(ids.map((id) => [id, []]))), {
    ...Object.fromEntries(ended),
    j0: {kind: 'running', handle: 'h', startedAt: '2026-01-01T09:00:00.000Z'},
  });
  expect([...changes.keys()]).toEqual(ids.slice(-LEARNT_AT_ONCE).toReversed());
});

test('a job that no controller renewed, or that went down with its host, has used up nothing of its retries', () => {
  const chain = aChain({a: []});
  for (const reason of ['orphaned: no controller renewed it for 600 s', 'supervisor lost: the host was restarted', 'ended by a new start']) {
    for (const code of [null, 0, 1]) {
      expect(learnOf(chain, {a: exited({code, reason})}).get('a')).toMatchObject({state: 'PENDING', failures: 0});
    }
    expect(learnOf(chain, {a: exited({code: 0, reason, state: 'COMPLETE'})}).get('a')).toMatchObject({state: 'COMPLETE'});
  }
  for (const reason of ['supervisor lost', 'timed out after 5 s']) {
    expect(learnOf(chain, {a: exited({code: null, reason})}).get('a')).toMatchObject({state: 'FAIL', failures: 1});
  }
});

test('pods of a sky scan are kept as they were seen last, also when they are gone; of one that is tried again those of the newest try', () => {
  const pod = (name: string, phase: string): PodSeen => ({name, phase, containers: []});
  const record = (job: Job): ScanRecord => aScan({jobs: JobTable.of([['server', entry(job)]])});
  const learnt = (job: Job, observed: Observed): Job =>
    learn({record: record(job), observed: new Map([['server', observed]]), nowMs: NOW, ownedForMs: 0, policy: POLICY}).get('server') ?? job;
  const podsOf = (job: Job): unknown => job.tries.at(-1)?.pods?.map(({name, phase}) => `${name} ${phase}`);
  const running = (...pods: PodSeen[]): Observed => ({kind: 'running', handle: 'h', startedAt: 'T', pods});
  const first = learnt(aJob({tries: [aTry({handle: 'h', started_at: 'T'})]}), running(pod('a', 'Pending')));
  expect(podsOf(first)).toEqual(['a Pending']);
  expect(learnt(first, running(pod('a', 'Pending')))).toBe(first);
  const second = learnt(first, running(pod('a', 'Running'), pod('b', 'Pending')));
  const ended = learnt(second, {kind: 'exited', handle: 'h', exit: {code: 1, ended_at: '2026-01-01T09:00:00.000Z'}, pods: [pod('b', 'Failed')]});
  expect(podsOf(ended)).toEqual(['a Running', 'b Failed']);
  expect(addTry(ended, aTry({try: 2})).map(({pods}) => pods)).toEqual([undefined, undefined]);
  const many = learnt(first, running(...Array.from({length: 100}, (_, n) => pod(`p${n}`, 'Running'))));
  expect(many.tries[0]?.pods).toHaveLength(PODS_KEPT);
});

test('a job that cannot begin yet says why, and no more once it runs', () => {
  const chain = aChain({a: []});
  const waiting = learnOf(chain, {a: {kind: 'waiting', why: 'the quota is used up'}}).get('a');
  expect(waiting).toMatchObject({status: 'waits: the quota is used up', failures: 0});
  expect(waiting?.tries.at(-1)?.exit).toBeUndefined();
  const running: Observed = {kind: 'running', handle: 'h', startedAt: '2026-01-01T09:00:00.000Z'};
  const learnt = learnOf(chain, {a: running}, {status: 'waits: the quota is used up', tries: [aTry({try: 1})]});
  expect(learnt.get('a')).not.toHaveProperty('status');
  expect(learnOf(chain, {a: running}, {status: 'its own words', tries: [aTry({try: 1})]}).get('a')?.status).toBe('its own words');
});
