import {fileURLToPath} from 'node:url';
import {describe, expect, test} from 'vitest';
import {argOf, dataOf, isJobError, runTimeout, unknownJobType, wrongJobId} from '../../src/jobs/contract.ts';
import type {JobErrorKind} from '../../src/jobs/contract.ts';
import {ClassMaker} from '../../src/jobs/class-maker.ts';
import {silentLog} from '../../src/lib/log.ts';
import {HostedJobs} from '../support/job-host.ts';

describe('contract of job classes', () => {
  test.each<[string, JobErrorKind, () => unknown, string]>([
    ['an argument that is not set', 'arg_not_set', () => argOf({}, 'region', 'string'), 'arg region is not set'],
    ['an inherited name', 'arg_not_set', () => argOf({}, 'toString', 'string'), 'arg toString is not set'],
    ['an argument of another type', 'wrong_arg_type', () => argOf({n: '1'}, 'n', 'number'), 'arg n is string, expected number'],
    ['a list for a mapping', 'wrong_arg_type', () => argOf({n: []}, 'n', 'object'), 'arg n is array, expected object'],
    ['data that are not set', 'data_key_not_set', () => dataOf({}, 'k', 'string'), 'data key k is not set'],
    ['data of another type', 'wrong_data_type', () => dataOf({k: null}, 'k', 'object'), 'data key k is null, expected object'],
  ])('%s is an error of its own kind', (_what, kind, read, message) => {
    let thrown: unknown;
    try {
      read();
    } catch (err) {
      thrown = err;
    }
    expect(isJobError(thrown, kind)).toBe(true);
    expect((thrown as Error).message).toBe(message);
  });

  test('the other kinds say what they are', () => {
    const id = {type: 't', name: 'n', id: 'i', requestId: 'r'};
    expect(runTimeout(1500)).toMatchObject({kind: 'run_timeout', message: 'run took longer than 1.5 s'});
    expect(unknownJobType('x')).toMatchObject({kind: 'unknown_job_type', message: 'unknown job type x'});
    expect(wrongJobId({...id, id: 'j'}, id)).toMatchObject({kind: 'wrong_job_id'});
    expect(isJobError(new Error('other'), 'run_timeout')).toBe(false);
    expect(isJobError(null, 'run_timeout')).toBe(false);
  });

  test('values of the right type are handed out', () => {
    const args = {s: '', n: 0, b: false, a: [], o: {}};
    expect([
      argOf(args, 's', 'string'),
      argOf(args, 'n', 'number'),
      argOf(args, 'b', 'boolean'),
      argOf(args, 'a', 'array'),
      argOf(args, 'o', 'object'),
    ]).toEqual(Object.values(args));
  });

  test('the example: a range is split, its parts are counted, and the counts added up', async () => {
    const module = fileURLToPath(new URL('../../examples/jobs/jobs.ts', import.meta.url));
    const maker = new ClassMaker({module, env: {}, log: silentLog});
    const jobs = await HostedJobs.open();
    try {
      const make = (type: string, args: Record<string, unknown>) => maker.make({type, name: type, id: 'aB3x', requestId: 'r1', args});
      const split = await make('split', {up_to: 2500, size: 1000});
      expect(split.args['parts']).toEqual([
        [1, 1000],
        [1001, 2000],
        [2001, 2500],
      ]);
      await expect(make('split', {up_to: 10})).rejects.toThrow('arg size is not set');
      await expect(make('no-such', {})).rejects.toThrow('unknown job type no-such');

      const data: Record<string, unknown> = {};
      for (const part of split.args['parts'] as unknown[]) {
        const {bytes} = await make('count-primes', {part});
        const {said} = await jobs.run({kind: 'class', module, bytes}, {type: 'count-primes'});
        Object.assign(data, said.data);
      }
      const {said, stdout} = await jobs.run({kind: 'class', module, bytes: ''}, {type: 'sum', data});
      // 367 primes below 2500. @see https://oeis.org/A000720
      expect(said).toMatchObject({data: {total: 367}, outcome: {state: 'COMPLETE'}});
      expect(stdout).toBe('367 primes\n');
    } finally {
      await maker.close();
      await jobs.close();
    }
  });
});
