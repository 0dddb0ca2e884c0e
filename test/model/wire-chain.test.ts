import {describe, expect, test} from 'vitest';
import {ChainRun} from '../../src/model/chain-run.ts';
import {viewChain} from '../../src/model/chain-view.ts';
import {JobTable} from '../../src/model/job-table.ts';
import type {RequestRecord} from '../../src/model/request-view.ts';
import {newChain, resumedChain} from '../../src/model/wire-chain.ts';
import type {TakenChain, WireJobs} from '../../src/model/wire-chain.ts';
import {STATE_VALUE} from '../../src/proto/state.ts';
import type {Job as WireJob, JobChain, SuspendedJobChain} from '../../src/proto/types.ts';
import {entry} from '../support/builders.ts';
import {aWireChain} from '../support/runner.ts';

const {PENDING, COMPLETE, STOPPED} = STATE_VALUE;
const JOBS: WireJobs = {
  typeOf: (type) => ({run: {kind: 'command', command: [type]}, ...(type === 'far' ? {cluster: 'away', count: 3, timeout: '1h'} : {})}),
  defaultCluster: 'local',
};

/** outer: begin → load → [inner: in → work → out] → end */
function nested(more: Readonly<Record<string, Partial<WireJob>>> = {}): JobChain {
  const of = (sequenceId: string, job: Partial<WireJob> = {}): Partial<WireJob> => ({sequenceId, type: 'sh', ...job});
  const noop = {type: 'noop'};
  const jobs: Record<string, Partial<WireJob>> = {
    begin: of('begin', {...noop, sequenceRetry: 2, sequenceRetryWait: '1m'}),
    load: of('begin', {retry: 3, retryWait: '500ms', bytes: 'e30=', args: {field: 'x'}}),
    in: of('in', {...noop, sequenceRetry: 4}),
    work: of('in', {type: 'far', retry: 2}),
    out: of('in', noop),
    end: of('begin', noop),
  };
  for (const [id, job] of Object.entries(more)) jobs[id] = {...jobs[id], ...job};
  return aWireChain('q1', {begin: ['load'], load: ['in'], in: ['work'], work: ['out'], out: ['end']}, jobs);
}

function suspended(chain: JobChain, counts: Partial<SuspendedJobChain> = {}): SuspendedJobChain {
  return {requestId: 'q1', jobChain: chain, totalJobTries: {}, latestRunJobTries: {}, sequenceTries: {}, ...counts};
}

function record({chain, records}: TakenChain): RequestRecord {
  const jobs = JobTable.of([...records].map(([id, job]) => [id, entry(job)]));
  const state = {name: 'SUSPENDED' as const, attempt: 1};
  return {id: 'q1', spec: entry({type: 'job-chain', args: {}}), chain: entry(chain), jobs, state: entry(state)};
}

const run = ({chain, records}: TakenChain): ChainRun => new ChainRun(chain, 1, 0, records);
const states = (of: ChainRun): string => [...of.ids()].map((id) => `${id}:${of.stateOf(id)}`).join(' ');

describe('a new chain from outside', () => {
  test('keeps its jobs, their order, arguments, bytes, retries and sequences; how its types are run is known here', () => {
    const {chain, records} = newChain(nested(), JOBS);
    expect(records.size).toBe(0);
    expect(chain.jobs['load']).toEqual({
      ...{name: 'load', type: 'sh', cluster: 'local', count: 1, retry: 3, retry_wait: '500ms'},
      ...{args: {field: 'x'}, bytes: 'e30=', sequence: 'begin'},
    });
    expect(chain.jobs['work']).toMatchObject({cluster: 'away', count: 3, timeout: '1h', retry: 2});
    expect(chain.jobs['in']).toMatchObject({type: 'noop', cluster: ''});
    expect(chain.sequences).toEqual({begin: {retry: 2, retry_wait: '1m'}, in: {retry: 4, parent: 'begin'}});
    expect(Object.keys(chain.types ?? {})).toEqual(['sh', 'far']);
    expect(chain.adjacency).toEqual(nested().adjacencyList);
  });

  test('an empty one is one, and complete', () => {
    const taken = newChain(aWireChain('q1', {}), JOBS);
    expect(run(taken)).toMatchObject({isComplete: true, jobsTotal: 0});
  });
});

describe('a suspended chain from outside', () => {
  test('is where it was: what is complete stays so, what was stopped is to be done again', () => {
    const chain = nested({begin: {state: COMPLETE}, load: {state: COMPLETE}, in: {state: COMPLETE}, work: {state: STOPPED}});
    const taken = resumedChain(suspended(chain, {totalJobTries: {load: 2, work: 3}, latestRunJobTries: {load: 2, work: 3}}), JOBS);
    expect(states(run(taken))).toBe('begin:COMPLETE load:COMPLETE in:COMPLETE work:PENDING out:PENDING end:PENDING');
    expect(taken.records.get('load')).toMatchObject({state: 'COMPLETE', tries_total: 2, completed: 1});
    expect(taken.records.get('work')).toMatchObject({state: 'PENDING', tries_total: 3, failures: 2});
  });

  test('its sequences have used up as many retries as they had', () => {
    const begun = nested({begin: {state: COMPLETE}, load: {state: COMPLETE}, in: {state: COMPLETE}, work: {state: STOPPED}});
    const taken = resumedChain(suspended(begun, {sequenceTries: {begin: 2, in: 3}, latestRunJobTries: {work: 1}}), JOBS);
    expect(taken.records.get('begin')?.sequence).toEqual({rolled_back: 1, parent_try: 1, used: 1});
    expect(taken.records.get('in')?.sequence).toEqual({rolled_back: 2, parent_try: 2, used: 2});
    expect(run(taken).sequenceTryOf('work')).toBe(4);
    expect(run(taken).isCurrent('work')).toBe(true);
    expect(run(taken).stateOf('load')).toBe('COMPLETE');
  });

  test('a sequence that was rolled back and not begun again has used up all tries so far', () => {
    const taken = resumedChain(suspended(nested({begin: {state: PENDING}}), {sequenceTries: {begin: 1}, totalJobTries: {load: 1}}), JOBS);
    expect(taken.records.get('begin')?.sequence).toEqual({rolled_back: 1, parent_try: 1, used: 1});
    expect(taken.records.get('load')).toMatchObject({state: 'PENDING', tries_total: 1, failures: 0});
  });

  test('a job gets the data of who is complete before it anew, and keeps what it has set itself', () => {
    const wire = aWireChain(
      'q1',
      {a: ['b', 'c'], b: ['d'], c: ['d']},
      {
        a: {state: COMPLETE, data: {from: 'a', at: {b: 1}}},
        b: {state: COMPLETE, data: {from: 'b', at: {b: 1}}},
        c: {state: STOPPED, data: {from: 'a', at: {b: 1}, own: 1}},
        d: {data: {from: 'b'}},
      },
    );
    const taken = resumedChain(suspended(wire), JOBS);
    expect(taken.records.get('c')?.data).toEqual({own: 1});
    expect(taken.records.has('d')).toBe(false);
    expect(run(taken).dataFor('c')).toEqual({from: 'a', at: {b: 1}, own: 1});
    expect(run(taken).dataFor('d')).toEqual({from: 'b', at: {b: 1}});
  });

  test('what is handed on when it is suspended here is the same again', () => {
    const chain = nested({
      begin: {state: COMPLETE},
      load: {state: COMPLETE, data: {k: 1}},
      in: {state: COMPLETE},
      work: {state: STOPPED, data: {k: 1, own: 2}},
    });
    const counts = {totalJobTries: {load: 2, work: 3}, latestRunJobTries: {load: 1, work: 3}, sequenceTries: {begin: 2, in: 3}};
    const taken = resumedChain(suspended(chain, counts), JOBS);
    const handedOn = viewChain(record(taken), taken.chain, 0).suspended();
    const again = resumedChain(handedOn, JOBS);
    expect(states(run(again))).toBe(states(run(taken)));
    expect(again.records.get('work')).toEqual(taken.records.get('work'));
    expect(again.records.get('load')).toEqual(taken.records.get('load'));
    expect(again.records.get('begin')).toEqual(taken.records.get('begin'));
    expect(handedOn.jobChain).toMatchObject({state: 7, finishedJobs: 3});
  });

  test('counts for jobs that it does not have are refused', () => {
    const refused =
      (counts: Partial<SuspendedJobChain>): (() => unknown) =>
      () =>
        resumedChain(suspended(nested(), counts), JOBS);
    expect(refused({totalJobTries: {nobody: 1}})).toThrow('totalJobTries counts for "nobody", which is no job of it');
    expect(refused({sequenceTries: {load: 1}})).toThrow('sequenceTries counts for "load", which is no first job of a sequence of it');
    expect(refused({latestRunJobTries: {constructor: 1}})).toThrow('"constructor"');
  });
});
