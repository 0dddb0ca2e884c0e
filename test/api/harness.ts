import {once} from 'node:events';
import {createServer, request as httpRequest} from 'node:http';
import type {IncomingMessage} from 'node:http';
import type {AddressInfo} from 'node:net';
import {createHash} from 'node:crypto';
import {createApp} from '../../src/api/app.ts';
import type {ApiConfig, ApiDeps} from '../../src/api/deps.ts';
import {looseParse} from '../../src/api/json/loose-json.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {SCAN_INDEXES} from '../../src/model/scan-indexes.ts';
import type {Job} from '../../src/schema/job.ts';
import {clusterKey, jobKey} from '../../src/schema/keys.ts';
import {BlobStore} from '../../src/store/blob-store.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {BatchingGroupCommit} from '../../src/store/group-commit.ts';
import {WatchCache} from '../../src/store/watch-cache.ts';
import {answerViolations} from '../support/answer-check.ts';
import {aJob, aTry} from '../support/builders.ts';

/** An answer, with the reason phrase that clients see in the status line. */
export interface Answer {
  readonly status: number;
  readonly reason: string;
  readonly headers: Headers;
  /** Parsed JSON, or text; what is in it is what the tests are about. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface AskOptions {
  /** Sent as JSON, unless it is text or bytes already. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly token?: string;
}

/** An API server on loopback over a real etcd, and a client for it. */
export interface TestApi {
  readonly url: string;
  readonly store: EtcdStore;
  readonly cache: WatchCache;
  /** @throws Error when the answer is not as the OpenAPI document says. */
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
  /** Creates a scan and returns its id. */
  newScan(more?: Record<string, unknown>): Promise<string>;
  /** Writes what a controller would: a server job whose newest try has this token. */
  putServerJob(scanId: string, tokens: readonly string[], more?: Partial<Job>): Promise<void>;
  stop(): Promise<void>;
}

export const SCAN_BODY = {
  reco_algo: 'anything',
  event_i3live_json: {a: 22},
  nsides: {'1': 2, '3': 4},
  real_or_simulated_event: 'real',
  docker_tag: 'latest',
  max_pixel_reco_time: 60,
  debug_mode: 'client-logs',
  scanner_server_env: {MY_ENV_VAR: true},
  classifiers: {foo: 1, 'bar bat': true, baz: 'y'.repeat(25), ['z'.repeat(25)]: 3.1415},
  cluster: {foobar: 1},
};

const CLUSTERS = ['a-schedd', 'cloud', 'foobar'];

/** `replaced` stands in for parts of the server, to make them fail. */
export async function startApi(endpoint: string, config: Partial<ApiConfig> = {}, replaced: Partial<ApiDeps> = {}): Promise<TestApi> {
  const members = new EtcdMembers({endpoints: [endpoint]});
  const store = new EtcdStore(members);
  const cache = new WatchCache({store, clock: systemClock, log: silentLog, indexes: SCAN_INDEXES});
  const stopping = new AbortController();
  const running = cache.run(stopping.signal);
  const cluster = canonicalJson({engine: 'process', capacity: 8, settings: {}});
  await store.commit({compares: [], ops: CLUSTERS.map((name) => ({put: clusterKey(name), value: cluster}))});
  const app = createApp({
    store,
    cache,
    groupCommit: new BatchingGroupCommit(store),
    blobs: new BlobStore(store),
    clock: systemClock,
    log: silentLog,
    config: {publicAddress: 'http://api.example', ...config},
    ...replaced,
  });
  const handle = app.callback();
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await cache.ready();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function ask(method: string, path: string, {body, headers = {}, token}: AskOptions = {}): Promise<Answer> {
    const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const all = {
      ...(bytes === undefined ? {} : {'content-type': 'application/json'}),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
      ...headers,
    };
    const answer = await send(url + path, method, all, bytes as string | Buffer | undefined);
    const violations = isJson(answer.headers) ? answerViolations(method, path, answer.status, answer.body) : undefined;
    if (violations !== undefined) throw new Error(`the answer of ${method} ${path} is not as described: ${violations}`);
    return answer;
  }

  return {
    url,
    store,
    cache,
    ask,
    newScan: async (more = {}) => {
      const answer = await ask('POST', '/scan', {body: {...SCAN_BODY, ...more}});
      if (answer.status !== 200) throw new Error(`POST /scan: ${answer.status} ${answer.reason}`);
      return answer.body.scan_id as string;
    },
    putServerJob: async (scanId, tokens, more = {}) => {
      const tries = tokens.map((token, i) => aTry({try: i + 1, token_digest: createHash('sha256').update(token).digest('hex')}));
      const job = aJob({tries, tries_total: tries.length, ...more});
      await store.commit({compares: [], ops: [{put: jobKey(scanId, 'server'), value: canonicalJson(job)}]});
    },
    stop: async () => {
      stopping.abort();
      server.close();
      server.closeAllConnections();
      await running;
      members.close();
    },
  };
}

/** One request. (fetch would refuse a GET with a body, which SkyDriver's clients may send.) */
async function send(url: string, method: string, headers: Record<string, string>, body: string | Buffer | undefined): Promise<Answer> {
  const length = body === undefined ? {} : {'content-length': String(Buffer.byteLength(body))};
  const outgoing = httpRequest(url, {method, headers: {...headers, ...length}});
  outgoing.on('error', () => {}); // An answer may come before all of the body has been taken; any other failure rejects below.
  const answered = once(outgoing, 'response');
  outgoing.end(body);
  const [incoming] = (await answered) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const answerHeaders = new Headers(Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]));
  return {
    status: incoming.statusCode ?? 0,
    reason: incoming.statusMessage ?? '',
    headers: answerHeaders,
    body: isJson(answerHeaders) && text !== '' ? parsed(text) : text,
  };
}

const isJson = (headers: Headers): boolean => headers.get('content-type')?.startsWith('application/json') === true;

/** As Python's clients read an answer. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return looseParse(Buffer.from(text), 'everywhere');
  }
}
