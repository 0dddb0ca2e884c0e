import {expect, test} from 'vitest';
import {withSaid} from '../../src/controllers/job-said.ts';
import type {JobObservation} from '../../src/engines/engine.ts';
import type {JobExit} from '../../src/schema/job.ts';

const exited = (exit: Partial<JobExit> = {}): JobObservation => ({kind: 'exited', handle: 'h', exit: {code: 1, ended_at: 'then', ...exit}});
const outcome = (state: 'COMPLETE' | 'FAIL' | 'STOPPED', error = '') => ({outcome: {state, exit: '9223372036854775807', error}});

test('a running job has the status and the endpoint that it says', () => {
  const running = {kind: 'running', handle: 'h', startedAt: 'then'} as const;
  expect(withSaid(running, {status: 's', endpoint: 'e'})).toEqual({...running, status: 's', endpoint: 'e'});
  expect(withSaid(running, {})).toEqual(running);
});

test('what never began says nothing', () => {
  for (const kind of ['absent', 'foreign', 'closed'] as const) expect(withSaid({kind}, {status: 's', ...outcome('COMPLETE')})).toEqual({kind});
});

test('what an ended job says of its end comes beside what its engine saw', () => {
  expect(withSaid(exited(), {data: {a: 1}, status: 's', ...outcome('COMPLETE', 'odd')})).toEqual({
    kind: 'exited',
    handle: 'h',
    status: 's',
    data: {a: 1},
    exit: {code: 1, ended_at: 'then', state: 'COMPLETE', exit: '9223372036854775807', error: 'odd'},
  });
  expect(withSaid(exited({code: 0}), {})).toEqual(exited({code: 0}));
});

test('a job cannot say the words by which tries that we stopped are known', () => {
  const news = withSaid(exited(), outcome('FAIL', 'stopped'));
  expect(news).toMatchObject({exit: {state: 'FAIL', error: 'stopped'}});
  expect(news).not.toHaveProperty('exit.reason');
});

test.each<[string, 'COMPLETE' | 'FAIL' | 'STOPPED', string]>([
  ['timed out after 1 s', 'STOPPED', 'FAIL'],
  ['timed out after 1 s', 'COMPLETE', 'COMPLETE'],
  ['orphaned: no controller renewed it for 10 s', 'STOPPED', 'FAIL'],
  ['stopped', 'STOPPED', 'STOPPED'],
])('a job that ended because of "%s" and says %s: %s', (reason, said, state) => {
  expect(withSaid(exited({reason}), outcome(said))).toMatchObject({exit: {reason, state}});
});

test('a job that left garbage has failed, whatever it says besides', () => {
  expect(withSaid(exited({code: 0}), {...outcome('COMPLETE'), problem: 'garbage'})).toMatchObject({exit: {code: 0, state: 'FAIL', error: 'garbage'}});
});
