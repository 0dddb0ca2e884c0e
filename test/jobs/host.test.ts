import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {JobSpec} from '../../src/engines/engine.ts';
import type {JobDocument} from '../../src/jobs/document.ts';
import {untilOutput} from '../contract/engine.ts';
import {eventually} from '../support/eventually.ts';
import {HostedJobs} from '../support/job-host.ts';
import type {HostedRun} from '../support/job-host.ts';

const MODULE = fileURLToPath(new URL('./odd-jobs.ts', import.meta.url));

describe('job host', () => {
  let jobs: HostedJobs;
  beforeAll(async () => {
    jobs = await HostedJobs.open();
  });
  afterAll(() => jobs.close());

  const classRun = (bytes = '') => ({kind: 'class', module: MODULE, bytes: Buffer.from(bytes).toString('base64')}) as const;
  const run = (type: string, document: Partial<JobDocument> = {}, changes: Partial<JobSpec> = {}): Promise<HostedRun> =>
    jobs.run(classRun(), {...document, type}, changes);

  test('a job gets its bytes, its id and its data; what it sets, prints, returns and says comes back, an int64 exactly', async () => {
    const document = {type: 'tells-everything', name: 'node', job_id: 'aB3x', request_id: 'r1', data: {kept: {deep: [1]}, changed: [1]}};
    const {exit, said, stdout, stderr} = await jobs.run(classRun('b\0ytes'), document);
    expect(said).toEqual({
      status: 'odd',
      data: {
        mine: {bytes: 'b\0ytes', id: {type: 'tells-everything', name: 'node', id: 'aB3x', requestId: 'r1'}, saw: ['kept', 'changed']},
        changed: [2],
      },
      outcome: {state: 'COMPLETE', exit: '9223372036854775807', error: 'a remark'},
    });
    expect(exit.code).toBe(0);
    expect(stdout).toBe('printed\nreturned');
    expect(stderr).toBe('aside');
  });

  test.each([
    ['throws', 'the job threw: division by cucumber'],
    ['rejects', 'the job threw: just text'],
    ['throws-later', 'the job threw: in a callback'],
    ['rejects-unseen', 'the job threw: nobody waits'],
    ['exits', 'the job ended its process'],
    ['returns-nothing', 'it ended in no state, which is no state to end in'],
    ['deserialize-throws', 'the job cannot be made: not my bytes'],
    [
      'says-another-id',
      'the job cannot be made: the job made for ["r1","aB3x","n","says-another-id"] says that it is ["r1","zzzz","n","says-another-id"]',
    ],
    ['make-returns-nothing', 'the job cannot be made: the job made for type make-returns-nothing has no method create'],
    ['nobody-knows-this', 'the job cannot be made: unknown job type nobody-knows-this'],
    ['sets-a-class', 'its data cannot be kept: map is an object of a class, which JSON cannot say'],
    ['sets-much', 'its data cannot be kept: it is larger than 262144 bytes'],
  ])('a job that is wrong (%s) has failed, with the reason', async (type, error) => {
    const {exit, said} = await run(type, {request_id: 'r1', job_id: 'aB3x'});
    expect(said.outcome).toEqual({state: 'FAIL', exit: '1', error});
    expect(said).not.toHaveProperty('problem');
    expect(exit.code).not.toBe(0);
  });

  test('case 249: a job that panics has failed with exit code 1, and the error carries its text', async () => {
    const {said, exit} = await run('throws');
    expect(said.outcome).toEqual({state: 'FAIL', exit: '1', error: 'the job threw: division by cucumber'});
    expect(exit).toMatchObject({code: 1});
  });

  test.each(['PENDING', 'RUNNING', 'SUSPENDED', 'RESERVED', 'complete', 1, 2, 5, 7, 99, null])(
    'case 339: a job that returns the state %s has failed (mended)',
    async (state) => {
      expect((await run('returns-its-state', {data: {state}})).said.outcome).toMatchObject({state: 'FAIL', exit: '1'});
    },
  );

  test('case 340: a job that returns STOPPED unasked is STOPPED', async () => {
    expect((await run('returns-its-state', {data: {state: 'STOPPED'}})).said.outcome).toEqual({state: 'STOPPED', exit: '1', error: ''});
  });

  test('what a failed try has set is kept for the next', async () => {
    const {said} = await run('fails-and-sets');
    expect(said).toMatchObject({data: {half: 1}, outcome: {state: 'FAIL', exit: '-2', error: 'half way'}});
  });

  test('a module that cannot be loaded, or is none, fails the job with the reason', async () => {
    const missing = await jobs.run({kind: 'class', module: '/no/such/module.ts', bytes: ''});
    expect(missing.said.outcome?.error).toMatch(/^the job cannot be made: the job module cannot be loaded: .*module\.ts/);
    const other = await jobs.run({kind: 'class', module: fileURLToPath(new URL('../../src/lib/assert.ts', import.meta.url)), bytes: ''});
    expect(other.said.outcome?.error).toBe('the job cannot be made: the job module exports no factory with a method make');
  });

  test.each([
    ['waits', {state: 'STOPPED', exit: '3', error: 'interrupted'}],
    ['waits-and-completes', {state: 'COMPLETE', exit: '0', error: ''}],
  ])('a job that is asked to stop while it runs (%s) ends in its own way', async (type, outcome) => {
    const ref = await jobs.start(classRun(), {type});
    await eventually(async () => expect((await jobs.engine.said(ref, jobs.engine.place)).status).toBe('odd'), {timeoutMs: 10_000});
    await jobs.engine.stop(ref, jobs.engine.place);
    const {exit, said} = await jobs.end(ref);
    expect(said.outcome).toEqual(outcome);
    expect(exit).toMatchObject({reason: 'stopped'});
    expect(exit).not.toHaveProperty('signal');
  });

  test('a job whose stop throws, or that blocks everything, is killed after its grace, and says nothing', async () => {
    const throwing = await jobs.start(classRun(), {type: 'stop-throws'}, {stopGraceMs: 500});
    const blocking = await jobs.start(classRun(), {type: 'blocks'}, {stopGraceMs: 500});
    await eventually(async () => expect((await jobs.engine.said(throwing, jobs.engine.place)).status).toBe('odd'), {timeoutMs: 10_000});
    await untilOutput(jobs.engine, blocking, 'blocking');
    for (const ref of [throwing, blocking]) await jobs.engine.stop(ref, jobs.engine.place);
    for (const ref of [throwing, blocking]) {
      const {exit, said} = await jobs.end(ref);
      expect(exit).toMatchObject({code: null, signal: 'SIGKILL', reason: 'stopped'});
      expect(said).not.toHaveProperty('outcome');
    }
    expect((await jobs.end(throwing)).stderr).toContain("the job's stop threw: stop is broken");
  });

  test('a job that runs for longer than it may is asked to stop, like by anybody', async () => {
    const {exit, said} = await run('waits', {}, {timeoutMs: 1500});
    expect(exit.reason).toBe('timed out after 1.5 s');
    expect(said.outcome?.state).toBe('STOPPED');
  });

  test('a status that throws, is no text or has no end harms nothing', async () => {
    const ref = await jobs.start(classRun(), {type: 'has-a-bad-status'});
    const status = await eventually(
      async () => {
        const said = await jobs.engine.said(ref, jobs.engine.place);
        expect(said.status).toBeDefined();
        return said.status;
      },
      {timeoutMs: 15_000},
    );
    expect(status).toMatch(/^asked s+$/);
    expect(status).toHaveLength(4096);
    await jobs.engine.stop(ref, jobs.engine.place);
    await jobs.end(ref);
  });

  test('a document that says nothing of a host is a failure, not a crash', async () => {
    const {said} = await jobs.run({kind: 'other'} as never);
    expect(said.outcome).toEqual({state: 'FAIL', exit: '1', error: 'its document says nothing that the job host can run'});
  });
});
