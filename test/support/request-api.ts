import type {Authenticator, Identity} from '../../src/api/auth/authenticator.ts';
import {everywhere} from '../../src/api/auth/roles.ts';
import type {Role} from '../../src/api/auth/roles.ts';
import type {RequestParts} from '../../src/api/deps.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import type {Control} from '../../src/schema/control.ts';
import type {Job} from '../../src/schema/job.ts';
import type {JobLogEntry} from '../../src/schema/job-log.ts';
import {controlKey, jobKey, logKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import type {RequestSpec} from '../../src/schema/scan.ts';
import type {ScanState} from '../../src/schema/state.ts';
import type {JobMaker} from '../../src/specs/job-maker.ts';
import {SpecRequestBuilder} from '../../src/specs/request-builder.ts';
import {startApi} from '../api/harness.ts';
import type {TestApi} from '../api/harness.ts';
import {PlainMaker} from './built-chain.ts';
import {specsOf} from './specs.ts';

/** Three jobs in a line, as in the linear fixture; and two requests with access lists. */
export const REQUEST_SPECS = `sequences:
  calibrate:
    request: true
    args:
      required: [{name: field, desc: Field to calibrate}]
      optional: [{name: passes, desc: Number of passes, default: 175}]
      static: [{name: archive, default: cold}]
    nodes:
      load: {category: job, type: load, args: [{expected: field}], sets: [{arg: handle}], retry: 1, retryWait: 500ms}
      solve: {category: job, type: solve, args: [{expected: handle}], deps: [load], retry: 3}
      save: {category: job, type: save, deps: [solve]}
  broken-at-creation:
    request: true
    nodes:
      save: {category: job, type: save, sets: [{arg: nothing}]}
  guarded:
    request: true
    acl: [{role: observer, ops: [start]}, {role: operator, admin: true}]
    nodes:
      save: {category: job, type: save}
  part:
    nodes:
      save: {category: job, type: save}
`;

export interface RequestApiOptions {
  readonly specs?: string;
  readonly maker?: JobMaker;
  readonly policy?: RequestParts['policy'];
  readonly authorize?: RequestParts['authorize'];
  readonly authenticator?: Authenticator;
  readonly stopping?: AbortSignal;
}

/** An API with request types over a real etcd, and what controllers would write. */
export interface RequestApi extends TestApi {
  /** Makes a request and returns its id. */
  newRequest(type?: string, args?: Readonly<Record<string, unknown>>): Promise<string>;
  /** The id of the job of a name. */
  jobOf(id: string, name: string): Promise<string>;
  putSpec(id: string, spec: Partial<RequestSpec>): Promise<void>;
  putState(id: string, state: Partial<ScanState>): Promise<void>;
  putJob(id: string, job: string, record: Partial<Job>): Promise<void>;
  putLog(id: string, job: string, entry: Partial<JobLogEntry>): Promise<void>;
  /** What is stored of what is wanted. */
  control(id: string): Promise<Control | undefined>;
}

export async function startRequestApi(endpoint: string, options: RequestApiOptions = {}): Promise<RequestApi> {
  const {specs = REQUEST_SPECS, maker = new PlainMaker({load: {handle: 'h1'}}), policy, authorize, authenticator, stopping} = options;
  const requests: RequestParts = {
    builder: new SpecRequestBuilder(specsOf(specs), maker, 'local'),
    ...(policy === undefined ? {} : {policy}),
    ...(authorize === undefined ? {} : {authorize}),
  };
  const api = await startApi(endpoint, {}, {requests, authenticator, ...(stopping === undefined ? {} : {stopping})});
  const put = async (key: string, value: unknown): Promise<void> => {
    await api.store.commit({compares: [], ops: [{put: key, value: canonicalJson(value)}]});
    await api.cache.catchUp();
  };
  return {
    ...api,
    newRequest: async (type = 'calibrate', args = {field: 'x'}) => {
      const answer = await api.ask('POST', '/api/v1/requests', {body: {type, args}});
      if (answer.status !== 201) throw new Error(`POST /api/v1/requests: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body.id as string;
    },
    jobOf: async (id, name) => {
      const {body} = await api.ask('GET', `/api/v1/requests/${id}/job-chain`);
      const jobs = Object.values((body as {jobs: Record<string, {id: string; name: string}>}).jobs);
      const job = jobs.find((each) => each.name === name);
      if (job === undefined) throw new Error(`no job is called ${name}`);
      return job.id;
    },
    putSpec: (id, spec) => put(scanKey(id), {type: 'other', args: {}, ...spec}),
    putState: (id, state) => put(stateKey(id), {name: 'RUNNING', attempt: 1, started_at: '2026-01-01T00:00:00.000Z', ...state}),
    putJob: (id, job, record) =>
      put(jobKey(id, job), {type: 't', cluster: 'local', count: 1, retry: 0, state: 'RUNNING', tries_total: 1, failures: 0, tries: [], ...record}),
    putLog: (id, job, entry) => {
      const full = {
        ...{name: job, type: 't', try: 1, state: 'COMPLETE', started_at: '', ended_at: '', exit: 0},
        ...{error: '', stdout: '', stderr: ''},
        ...entry,
      };
      return put(logKey(id, job, full.try), full);
    },
    control: async (id) => {
      const stored = await api.store.get(controlKey(id));
      return stored === undefined ? undefined : (JSON.parse(stored.value.toString()) as Control);
    },
  };
}

/** Who somebody is in a test: their token is their name. */
export interface Somebody {
  readonly roles?: readonly Role[];
  readonly requestRoles?: readonly string[];
}

/** Knows some people by their names. */
export function knowing(people: Readonly<Record<string, Somebody>>): Authenticator {
  return {
    identify: ({text}): Promise<Identity | undefined> => {
      const somebody = Object.hasOwn(people, text) ? people[text] : undefined;
      if (somebody === undefined) return Promise.resolve(undefined);
      const {roles = [], requestRoles} = somebody;
      return Promise.resolve({name: text, roles: everywhere(roles), ...(requestRoles === undefined ? {} : {requestRoles})});
    },
  };
}
