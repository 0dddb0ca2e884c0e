import {describe, expect, test} from 'vitest';
import {ChainRun} from '../../src/model/chain-run.ts';
import {JobTable} from '../../src/model/job-table.ts';
import {needsOwner, planScan} from '../../src/model/scan-plan.ts';
import type {PlanInput, ScanStep} from '../../src/model/scan-plan.ts';
import {attemptOf, isOver} from '../../src/model/scan-record.ts';
import type {BadEntry, ScanRecord} from '../../src/model/scan-record.ts';
import type {Observed} from '../../src/model/try-learning.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Job} from '../../src/schema/job.ts';
import {aJob, aTry, entry} from '../support/builders.ts';
import {POLICY, aChain} from '../support/chain-world.ts';

const NOW = Date.parse('2026-01-01T10:00:00.000Z');
const CHAIN = aChain({a: ['b']});
const RUNNING: Observed = {kind: 'running', handle: 'h', startedAt: '2026-01-01T09:00:00.000Z'};

/** An admitted request with the chain a → b, of which nothing has begun. */
function aRequest(more: Partial<ScanRecord> = {}): ScanRecord {
  const spec = entry({type: 'anything', args: {}});
  return {id: 'r1', spec, chain: entry(CHAIN), admission: entry({attempt: 1, slots: {local: 2}, admitted_at: ''}), ...more};
}

function plan(record: ScanRecord, observed: Readonly<Record<string, Observed>> = {}, more: Partial<PlanInput> = {}): ScanStep {
  const jobs = [...(record.jobs ?? [])].map(([id, {value}]): [string, Job] => [id, value]);
  const run = record.chain === undefined ? {} : {run: new ChainRun(record.chain.value as Chain, attemptOf(record), NOW, jobs)};
  return planScan({record, observed: new Map(Object.entries(observed)), nowMs: NOW, ownedForMs: 0, policy: POLICY, ...run, ...more});
}

const jobs = (of: Readonly<Record<string, Job>>): JobTable => JobTable.of(Object.entries(of).map(([name, job]) => [name, entry(job)]));
const aChainJob = (more: Partial<Job> = {}): Job => aJob({type: 't', retry: 0, ...more});
const damaged = (part: string): BadEntry => ({key: `/scan/r1/${part}`, reason: 'no JSON', createRevision: 1, modRevision: 1, lease: '0'});
const control = (more: object): NonNullable<ScanRecord['control']> => entry({...DEFAULT_CONTROL, ...more});

/** All choices of one value per member. */
function* product(choices: Readonly<Record<string, readonly unknown[]>>): Generator<Record<string, unknown>> {
  const [first, ...rest] = Object.entries(choices);
  if (first === undefined) return void (yield {});
  for (const others of product(Object.fromEntries(rest))) for (const value of first[1]) yield {...others, [first[0]]: value};
}

describe('who leads a request', () => {
  test('has a reason to lead it, whatever is stored of it: nobody claims and resigns it for ever', () => {
    const open = aChainJob();
    const parts = {
      spec: ['good', 'bad', 'none'],
      chain: ['good', 'bad', 'none'],
      admission: ['good', 'bad', 'none'],
      state: ['none', 'bad', 'PENDING', 'RUNNING', 'SUSPENDED', 'FAIL', 'STOPPED', 'COMPLETE'],
      control: ['none', 'bad', 'run', 'hold', 'suspend', 'stop'],
      attempt: [1, 2],
      isDeleted: [false, true],
      job: ['none', 'bad', 'open', 'ended'],
    } as const;
    const wrong: unknown[] = [];
    for (const pick of product(parts)) {
      const bad = new Map<string, BadEntry>();
      for (const part of ['spec', 'chain', 'admission', 'state', 'control']) if (pick[part] === 'bad') bad.set(part, damaged(part));
      if (pick['job'] === 'bad') bad.set('job/a', damaged('job/a'));
      const wanted = {desired: pick['control'], is_deleted: pick['isDeleted'], attempt: pick['attempt']};
      const job = pick['job'] === 'open' ? open : aChainJob({state: 'FAIL', failures: 1, tries: [aTry({exit: {code: 1, ended_at: ''}})]});
      const record = {
        id: 'r1',
        ...(pick['spec'] === 'good' ? {spec: entry({type: 'anything', args: {}})} : {}),
        ...(pick['chain'] === 'good' ? {chain: entry(CHAIN)} : {}),
        ...(pick['admission'] === 'good' ? {admission: entry({attempt: 1, slots: {local: 2}, admitted_at: ''})} : {}),
        ...(pick['state'] === 'none' || pick['state'] === 'bad' ? {} : {state: entry({name: pick['state'], attempt: 1})}),
        ...(pick['control'] === 'none' || pick['control'] === 'bad' ? {} : {control: control(wanted)}),
        ...(pick['job'] === 'open' || pick['job'] === 'ended' ? {jobs: jobs({a: job})} : {}),
        ...(bad.size === 0 ? {} : {bad}),
      } as ScanRecord;
      for (const doomed of [undefined, 'no such type']) {
        const step = plan(record, {a: RUNNING}, doomed === undefined ? {} : {doomed});
        if (step.kind === 'resign' && needsOwner(record)) wrong.push({...pick, doomed});
        if (step.kind !== 'finish') continue;
        const {admission: _, bad: __, ...rest} = record;
        // Both are written.
        const {admission: ___, state: ____, ...left} = Object.fromEntries(bad);
        const ended: ScanRecord = {...rest, bad: new Map(Object.entries(left)), ...(isOver(record) ? {} : {state: entry(step.state)})};
        // Whoever is called again has something to do.
        if (needsOwner(ended) && plan(ended).kind === 'resign') wrong.push({...pick, doomed, finished: step.state});
      }
    }
    expect(wrong.slice(0, 5), `${wrong.length}`).toEqual([]);
  });

  test('builds the chain of one that was suspended before it had any, and ends it when that cannot be done', () => {
    const {chain: _, admission: __, ...unbuilt} = aRequest({control: control({desired: 'suspend'})});
    const suspended = {...unbuilt, state: entry({name: 'SUSPENDED', attempt: 1} as const)};
    expect(plan(suspended)).toEqual({kind: 'build'});
    expect(plan(suspended, {}, {doomed: 'no such type'})).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason: 'no such type'}});
    const held = {...unbuilt, control: control({desired: 'hold'})};
    expect(plan(held)).toEqual({kind: 'build'});
    expect(plan(held, {}, {doomed: 'no such type'})).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason: 'no such type'}});
  });
});

describe('the state of a request that is admitted', () => {
  const failed = aChainJob({state: 'FAIL', failures: 1, tries: [aTry({exit: {code: 1, ended_at: '2026-01-01T09:00:00.000Z'}})]});

  test('is RUNNING while it waits for a retry, also when it was suspended before', () => {
    const chain = aChain({a: ['b']}, {jobs: {a: {retry: 1, retry_wait: '5h'}}});
    const waiting = {...failed, state: 'PENDING'} as const;
    const resumed = aRequest({chain: entry(chain), state: entry({name: 'SUSPENDED', attempt: 1}), jobs: jobs({a: waiting})});
    expect(plan(resumed)).toMatchObject({kind: 'record', state: {name: 'RUNNING', attempt: 1, jobs_total: 2, jobs_finished: 0}});
    const running = {...resumed, state: entry({name: 'RUNNING', attempt: 1, started_at: '2026-01-01T09:00:00.000Z', jobs_finished: 0} as const)};
    expect(plan(running)).toEqual({kind: 'wait', afterMs: 4 * 3_600_000});
  });

  test('counts the time that it may take from the attempt that it is in: what timed out can be tried again', () => {
    const chain = entry({...CHAIN, timeout: '10m'});
    const state = entry({name: 'FAIL', attempt: 1, started_at: '2026-01-01T09:00:00.000Z', ended_at: '2026-01-01T09:10:00.000Z'} as const);
    const again = aRequest({chain, state, control: control({attempt: 2}), jobs: jobs({a: failed})});
    expect(plan(again)).toMatchObject({kind: 'launch', state: {name: 'RUNNING', attempt: 2, started_at: '2026-01-01T10:00:00.000Z'}});
    const resumed = {...again, state: entry({name: 'SUSPENDED', attempt: 2, started_at: '2026-01-01T09:00:00.000Z'} as const)};
    expect(plan(resumed)).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason: 'timed out after 10m'}});
  });
});

describe('while a key of a request is damaged', () => {
  const exited: Observed = {kind: 'exited', handle: 'h', exit: {code: 0, state: 'FAIL', ended_at: ''}, data: {tile: 7}};
  const open = aRequest({state: entry({name: 'RUNNING', attempt: 1}), jobs: jobs({a: aChainJob()})});

  for (const part of ['spec', 'chain', 'admission', 'control', 'state'] as const) {
    test(`what became of its jobs is not judged without it: ${part}`, () => {
      const {[part]: _, ...rest} = open;
      const record = {...rest, bad: new Map([[part, damaged(part)]])};
      expect(plan(record, {a: exited})).toEqual({kind: 'wait'});
      if (part !== 'control') expect(plan({...record, control: control({desired: 'stop'})}, {a: exited}).kind).toBe('finish');
    });
  }
});
