import {describe, expect, test} from 'vitest';
import {jobLaunch} from '../../src/controllers/job-document.ts';
import type {LaunchInput} from '../../src/controllers/job-document.ts';
import {hasCode} from '../../src/lib/errors.ts';
import type {PlannedJob} from '../../src/schema/chain.ts';
import type {JobType} from '../../src/schema/job-type.ts';

const CONFIG = {host: ['node', 'host.js'], module: '/srv/jobs.js'};
const COMMAND: JobType = {run: {kind: 'command', command: ['probe', '--host=${host}', '${all}', '$${HOME}']}};

function input(planned: Partial<PlannedJob> = {}, more: Partial<LaunchInput> = {}): LaunchInput {
  return {
    ref: {scanId: 'r1', job: 'aB3x', try: 3},
    requestType: 'survey',
    planned: {name: 'probe-it', type: 'probe', cluster: 'c', count: 1, retry: 0, args: {host: 'n1; rm -rf /', all: [1, 'two']}, ...planned},
    runs: COMMAND,
    data: {seen: {deep: true}},
    report: {url: 'http://api.example/scan/r1/report', token: 'r1.secret'},
    ...more,
  };
}

const envOf = (given: LaunchInput): Record<string, string> => Object.fromEntries(jobLaunch(given, CONFIG).env);
const errorOf = (given: LaunchInput, config: Parameters<typeof jobLaunch>[1] = CONFIG): unknown => {
  try {
    return jobLaunch(given, config);
  } catch (err) {
    return err;
  }
};

describe('what a job of a chain is given', () => {
  test('arguments stand in the command as they are, each within its part', () => {
    expect(jobLaunch(input(), CONFIG).command).toEqual(['probe', '--host=n1; rm -rf /', '[1,"two"]', '${HOME}']);
  });

  test('the document says what there is to know, and nothing secret', () => {
    const {document} = jobLaunch(input(), CONFIG);
    expect(JSON.parse(document)).toEqual({
      ...{request_id: 'r1', request_type: 'survey', job_id: 'aB3x', name: 'probe-it', type: 'probe', try: 3},
      args: {host: 'n1; rm -rf /', all: [1, 'two']},
      data: {seen: {deep: true}},
    });
    expect(document).not.toContain('secret');
  });

  test('the environment names the job, its arguments and where to report; what its type sets comes first and never wins', () => {
    const args = {'host-name': 'n1', 'host.name': 'lost', n: 1.5, yes: true, none: null, list: [1], map: {a: 'b'}};
    const runs: JobType = {
      run: {
        kind: 'command',
        command: ['x'],
        env: [
          ['MODE', 'fast'],
          ['SCANPLANE_REPORT_TOKEN', 'forged'],
          ['ARG_N', 'forged'],
        ],
      },
    };
    expect(envOf(input({args}, {runs}))).toEqual({
      MODE: 'fast',
      ARG_HOST_NAME: 'n1',
      ARG_N: '1.5',
      ARG_YES: 'true',
      ARG_NONE: '',
      ARG_LIST: '[1]',
      ARG_MAP: '{"a":"b"}',
      SCANPLANE_REQUEST_ID: 'r1',
      SCANPLANE_REQUEST_TYPE: 'survey',
      SCANPLANE_JOB_ID: 'aB3x',
      SCANPLANE_JOB_NAME: 'probe-it',
      SCANPLANE_JOB_TYPE: 'probe',
      SCANPLANE_TRY: '3',
      SCANPLANE_REPORT_URL: 'http://api.example/scan/r1/report',
      SCANPLANE_REPORT_TOKEN: 'r1.secret',
    });
  });

  test('arguments that no environment takes are in the document alone', () => {
    const args = {
      huge: 'x'.repeat(40_000),
      null_byte: 'a\0b',
      small: 's',
      ...Object.fromEntries(Array.from({length: 20}, (_, n) => [`m${n}`, 'y'.repeat(30_000)])),
    };
    const runs: JobType = {run: {kind: 'command', command: ['x']}};
    const env = envOf(input({args}, {runs}));
    expect(env).not.toHaveProperty('ARG_HUGE');
    expect(env).not.toHaveProperty('ARG_NULL_BYTE');
    expect(env).toHaveProperty('ARG_SMALL', 's');
    expect(Object.values(env).join('').length).toBeLessThan(300_000);
    expect((JSON.parse(jobLaunch(input({args}, {runs}), CONFIG).document) as {args: unknown}).args).toEqual(args);
  });

  test('arguments that creation has changed are those of the command', () => {
    const args = {host: 'n2', all: 'set'};
    const bytes = Buffer.from(JSON.stringify(args)).toString('base64');
    expect(jobLaunch(input({bytes}), CONFIG).command).toEqual(['probe', '--host=n2', 'set', '${HOME}']);
    expect(envOf(input({bytes}))).toMatchObject({ARG_HOST: 'n2', ARG_ALL: 'set'});
  });

  test('a class and a call are run by the job host, which the document tells what to do', () => {
    const ofClass = jobLaunch(input({bytes: 'AAE='}, {runs: {run: {kind: 'class'}, timeout: '90s'}}), CONFIG);
    expect(ofClass).toMatchObject({command: ['node', 'host.js'], timeoutMs: 90_000});
    expect(JSON.parse(ofClass.document)).toMatchObject({run: {kind: 'class', module: '/srv/jobs.js', bytes: 'AAE='}, args: {all: [1, 'two']}});
    const http = {kind: 'http', method: 'GET', url: 'http://x', expect: [200]} as const;
    const call = jobLaunch(input({}, {runs: {run: http}}), CONFIG);
    expect(JSON.parse(call.document)).toMatchObject({run: {kind: 'http', http, timeout_ms: 60_000}});
    expect(call).not.toHaveProperty('timeoutMs');
    const quick = jobLaunch(input({timeout: '500ms'}, {runs: {run: http, timeout: '5m'}}), CONFIG);
    expect(JSON.parse(quick.document)).toMatchObject({run: {timeout_ms: 500}});
    expect(quick.timeoutMs).toBe(500);
  });

  test.each<[string, LaunchInput, string]>([
    ['a type that its chain does not know', input({}, {runs: undefined}), 'unknown job type probe'],
    ['an argument that is missing', input({args: {}}), 'job probe-it: arg host is not set'],
    [
      'bytes that are no arguments',
      input({bytes: Buffer.from('[1]').toString('base64')}),
      'the bytes of a job of type probe are not its arguments as JSON',
    ],
    ['a timeout that is none', input({timeout: '5'}), 'the timeout "5" is no duration above 0'],
  ])('%s cannot be run, and the reason is said', (_what, given, message) => {
    const err = errorOf(given);
    expect(hasCode(err, 'invalid')).toBe(true);
    expect(String(err)).toBe(`ControlPlaneError: [invalid] ${message}`);
  });

  test('a class without a module, and a document that is too large, cannot be run either', () => {
    expect(String(errorOf(input({}, {runs: {run: {kind: 'class'}}}), {host: ['node']}))).toContain('no module of job classes is configured');
    expect(hasCode(errorOf(input({}, {data: {x: 'x'.repeat(1_100_000)}})), 'too_large')).toBe(true);
  });
});
