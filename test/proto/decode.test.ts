import {describe, expect, test} from 'vitest';
import * as proto from '../../src/proto/index.ts';
import type {Decoder} from '../../src/proto/index.ts';
import {aChain, aFinish, aJob, aLog, aRequest, aStatus, aSuspendedChain} from '../support/wire-objects.ts';

const noJob = {id: '', name: '', type: '', state: 0, retry: 0, sequenceId: '', sequenceRetry: 0};
const noChain = {requestId: '', jobs: {}, adjacencyList: {}, state: 0, finishedJobs: 0};

/** The field that is refused. */
function refused(decode: Decoder<unknown>, text: string): string {
  try {
    decode(proto.decodeJson(text));
  } catch (err) {
    if (err instanceof proto.FieldError) return `${err.httpStatus} ${err.message}`;
    throw err;
  }
  return 'accepted';
}

test.for<readonly [string, Decoder<unknown>, unknown]>([
  ['a job', proto.decodeJob, aJob()],
  ['a chain', proto.decodeJobChain, aChain()],
  ['a suspended chain', proto.decodeSuspendedJobChain, aSuspendedChain()],
  ['a request', proto.decodeRequest, {...aRequest(), JobChain: aChain()}],
  ['a log entry', proto.decodeJobLog, aLog()],
  ['a job status', proto.decodeJobStatus, aStatus()],
  ['a running status', proto.decodeRunningStatus, {jobs: [aStatus()], requests: {r9: aRequest()}}],
  ['a request spec', proto.decodeRequestSpec, {Name: 'scan', Args: aRequest().args}],
  ['a creation', proto.decodeCreateRequest, {Type: 'scan', Args: {k1: 'v1', n: 1.5, list: [null, {}]}, User: 'ana'}],
  ['a finish', proto.decodeFinishRequest, aFinish()],
  ['a progress', proto.decodeRequestProgress, {requestId: 'r9', finishedJobs: 4}],
])('%s survives the wire', ([, decode, value]) => {
  expect(decode(proto.decodeJson(proto.encodeJson(value)))).toEqual(value);
});

test('the examples of the specification are read', () => {
  const created = proto.decodeRequest(
    JSON.parse(`{"id":"cbn1c3k0s4vv2p7b6rug","type":"calibrate","state":1,"user":"ana",
      "args":[{"Pos":0,"Name":"field","Desc":"","Type":"required","Given":true,"Default":null,"Value":"x"}],
      "createdAt":"2021-03-04T05:06:07.891234Z","startedAt":null,"finishedAt":null,"totalJobs":7,"finishedJobs":0}`),
  );
  expect(created).toMatchObject({state: proto.STATE_PENDING, startedAt: null, createdAt: '2021-03-04T05:06:07.891234Z', totalJobs: 7});
  expect(created).not.toHaveProperty('JobChain');
  expect(proto.decodeError({message: 'request abc not found', requestId: '', httpStatus: 404}).toJSON()).toEqual({
    message: 'request abc not found',
    requestId: '',
    httpStatus: 404,
  });
  expect(proto.decodeError({message: 'traverser not found'})).toMatchObject({message: 'traverser not found', httpStatus: 0});
});

describe('what Go accepts', () => {
  test.for<readonly [string, Decoder<unknown>, unknown]>([
    ['job', proto.decodeJob, noJob],
    ['chain', proto.decodeJobChain, noChain],
    [
      'suspended chain',
      proto.decodeSuspendedJobChain,
      {requestId: '', jobChain: noChain, totalJobTries: {}, latestRunJobTries: {}, sequenceTries: {}},
    ],
    [
      'request',
      proto.decodeRequest,
      {id: '', type: '', state: 0, user: '', createdAt: '', startedAt: null, finishedAt: null, totalJobs: 0, finishedJobs: 0},
    ],
    ['finish', proto.decodeFinishRequest, {requestId: '', state: 0, finishedAt: '', finishedJobs: 0}],
    ['progress', proto.decodeRequestProgress, {requestId: '', finishedJobs: 0}],
    ['creation', proto.decodeCreateRequest, {Type: '', Args: {}, User: ''}],
    ['running status', proto.decodeRunningStatus, {jobs: [], requests: {}}],
  ])('an empty object and null are a %s of zero values', ([, decode, zero]) => {
    expect(decode({})).toEqual(zero);
    expect(decode(null)).toEqual(zero);
    const nulls = Object.fromEntries(Object.keys(zero as object).map((name) => [name, null]));
    expect(decode(nulls)).toEqual(zero);
  });

  test('maps and lists that are null are empty', () => {
    expect(proto.decodeJobChain({jobs: null, adjacencyList: {a: null}})).toEqual({...noChain, adjacencyList: {a: []}});
    expect(proto.decodeRunningStatus({jobs: null, requests: null})).toEqual({jobs: [], requests: {}});
    expect(proto.decodeList(null, proto.decodeRequest)).toEqual([]);
  });

  test('unknown members are left out, and optional ones that are empty', () => {
    expect(proto.decodeJob({...noJob, colour: 'red', bytes: '', args: {}, data: null, retryWait: ''})).toEqual(noJob);
  });

  test('names match in any case in creations and arguments, and nowhere else', () => {
    expect(proto.decodeCreateRequest({type: 'scan', ARGS: {a: 1}, user: 'ana'})).toEqual({Type: 'scan', Args: {a: 1}, User: 'ana'});
    expect(proto.decodeCreateRequest({Type: 'first', type: 'last'}).Type).toBe('last');
    expect(proto.decodeRequestSpec({name: 'scan', args: [{name: 'a', type: 'static', pos: 2}]})).toEqual({
      Name: 'scan',
      Args: [{Pos: 2, Name: 'a', Desc: '', Type: 'static', Given: false, Default: null, Value: null}],
    });
    expect(proto.decodeRequestProgress({requestid: 'r9'}).requestId).toBe('');
  });

  test('times with an offset become UTC, and the zero time is none', () => {
    expect(proto.decodeRequest({createdAt: '2021-03-04T07:06:07.5000+02:00'}).createdAt).toBe('2021-03-04T05:06:07.5Z');
    expect(proto.decodeRequest({startedAt: '0001-01-01T00:00:00Z'}).startedAt).toBeNull();
    expect(proto.decodeFinishRequest({finishedAt: '0001-01-01T00:00:00Z'}).finishedAt).toBe('');
  });

  test('names that objects have by nature are names like any other', () => {
    const text = '{"Type":"scan","Args":{"__proto__":{"polluted":true},"constructor":1}}';
    const {Args} = proto.decodeCreateRequest(proto.decodeJson(text));
    expect(Object.keys(Args)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(Args)).toBe(Object.prototype);
    expect(proto.encodeJson(Args)).toBe('{"__proto__":{"polluted":true},"constructor":1}');
    expect(proto.decodeJobChain(JSON.parse('{"jobs":{"__proto__":{"id":"a"}}}')).jobs).not.toHaveProperty('id');
    expect(proto.decodeCreateRequest(JSON.parse('{"__proto__":{"type":"scan"}}')).Type).toBe('');
  });
});

describe('what is refused names its field', () => {
  test.for<readonly [string, Decoder<unknown>, string]>([
    ['[1]', proto.decodeJob, '400 expected an object, got a list'],
    ['"x"', proto.decodeCreateRequest, '400 expected an object, got a text'],
    ['{"type":1}', proto.decodeCreateRequest, '400 Type: expected a text, got 1'],
    ['{"args":[]}', proto.decodeCreateRequest, '400 Args: expected an object, got a list'],
    ['{"retry":-1}', proto.decodeJob, '400 retry: expected a whole number from 0, got -1'],
    ['{"retry":1.5}', proto.decodeJob, '400 retry: expected a whole number from 0, got 1.5'],
    ['{"retry":18446744073709551615}', proto.decodeJob, '400 retry: expected a whole number from 0, got 18446744073709551615'],
    ['{"state":8}', proto.decodeFinishRequest, '400 state: expected the number of a state, got 8'],
    ['{"state":"COMPLETE"}', proto.decodeFinishRequest, '400 state: expected the number of a state, got a text'],
    ['{"finishedAt":"yesterday"}', proto.decodeFinishRequest, '400 finishedAt: "yesterday" is no RFC 3339 time'],
    ['{"finishedAt":1614834368}', proto.decodeFinishRequest, '400 finishedAt: expected an RFC 3339 time, got 1614834368'],
    ['{"finishedJobs":-1}', proto.decodeRequestProgress, '400 finishedJobs: expected a whole number from 0, got -1'],
    ['{"bytes":"e30"}', proto.decodeJob, '400 bytes: expected base64'],
    ['{"bytes":"e3 =e30="}', proto.decodeJob, '400 bytes: expected base64'],
    ['{"startedAt":1.5}', proto.decodeJobLog, '400 startedAt: expected a whole number of 64 bits, got 1.5'],
    ['{"startedAt":9223372036854775808}', proto.decodeJobLog, '400 startedAt: expected a whole number of 64 bits, got 9223372036854775808'],
    ['{"startedAt":"1614834367891234567"}', proto.decodeJobStatus, '400 startedAt: expected a whole number of 64 bits, got a text'],
    ['{"exit":1e400}', proto.decodeJobLog, '400 exit: expected a whole number of 64 bits, got Infinity'],
    ['{"try":-1}', proto.decodeJobLog, '400 try: expected a whole number from 0, got -1'],
    ['{"Type":"static","Given":1}', proto.decodeRequestArg, '400 Given: expected true or false, got 1'],
    ['{"Type":"sometimes"}', proto.decodeRequestArg, '400 Type: expected one of required, optional, static'],
    ['{"JobChain":{"jobs":{"a":{"state":true}}}}', proto.decodeRequest, '400 JobChain.jobs.a.state: expected the number of a state, got true'],
    ['{"args":[{"Type":"static","Name":{}}]}', proto.decodeRequest, '400 args[0].Name: expected a text, got an object'],
    ['{"jobChain":{"adjacencyList":{"a":["b",3]}}}', proto.decodeSuspendedJobChain, '400 jobChain.adjacencyList.a[1]: expected a text, got 3'],
    ['{"totalJobTries":{"a":-2}}', proto.decodeSuspendedJobChain, '400 totalJobTries.a: expected a whole number from 0, got -2'],
    ['{"sequenceTries":[]}', proto.decodeSuspendedJobChain, '400 sequenceTries: expected an object, got a list'],
    ['{"Args":{"a":[1e400]}}', proto.decodeCreateRequest, '400 Args.a: expected a number of 64 bits, got Infinity'],
  ])('%s', ([text, decode, message]) => {
    expect(refused(decode, text)).toBe(message);
  });

  test('a value nested without end', () => {
    const deep = `{"Args":{"a":${'['.repeat(1100)}${']'.repeat(1100)}}}`;
    expect(refused(proto.decodeCreateRequest, deep)).toBe('400 Args.a: nested deeper than 1000');
  });
});
