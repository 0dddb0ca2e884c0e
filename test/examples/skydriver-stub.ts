import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingMessage, ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

interface LevelBody {
  readonly columns: readonly string[];
  readonly data: readonly (readonly unknown[])[];
  readonly metadata: Readonly<Record<string, unknown>>;
}

interface ProgressBody {
  readonly tallies: {
    readonly nsides: unknown;
    readonly overall: {readonly recos: unknown; readonly pixels: {readonly done: number; readonly expected: number}};
  };
  readonly processing_stats: Readonly<Record<string, unknown>>;
  readonly predictive_scanning_threshold: number;
  readonly last_updated: string;
  readonly start: number;
  readonly end: number | null;
}

/** What a scanner sends, each part present in the kind of request that has it. */
export interface SentBody {
  readonly is_final: boolean;
  readonly skyscan_result: Readonly<Record<string, LevelBody>>;
  readonly progress: ProgressBody;
  readonly event_metadata: unknown;
  readonly scan_metadata: unknown;
}

/** One request that a scanner made. `atMs` is on the clock of `performance.now()`. */
export interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: SentBody;
  readonly atMs: number;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** SkyDriver's side of the scanner protocol, over real HTTP, for one event. */
export interface SkyDriverStub {
  readonly address: string;
  readonly requests: readonly Recorded[];
  /** Those of one method whose path ends in `tail`. */
  of(method: string, tail: string): readonly Recorded[];
  /** Answers instead of the ordinary answer while it returns something; set to `undefined` to remove. */
  override: ((method: string, path: string) => Answer | undefined) | undefined;
  /** Holds every answer back until it resolves. */
  delay: (() => Promise<void>) | undefined;
  /** Closes the connection instead of answering while it returns true. */
  breakConnection: (() => boolean) | undefined;
  stop(): Promise<void>;
}

export async function startSkyDriverStub(event: unknown): Promise<SkyDriverStub> {
  const requests: Recorded[] = [];
  const stub: Pick<SkyDriverStub, 'override' | 'delay' | 'breakConnection'> = {override: undefined, delay: undefined, breakConnection: undefined};
  const ordinary = (method: string, path: string): Answer => {
    if (method === 'GET' && path.endsWith('/manifest')) return {body: {event_i3live_json_dict: event}};
    if (path.endsWith('/ewms/workforce')) return {body: {workflow_id: 'w', statuses: {}, n_running: 0, top_errors: {}}};
    if (path.endsWith('/status')) return {body: {is_deleted: false, ewms_deactivated: null}};
    if (method === 'PATCH' || method === 'PUT') return {body: {}};
    return {status: 404, body: {code: 404, error: 'no such route'}};
  };
  const answerTo = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const [method, path] = [request.method ?? '', request.url ?? ''];
    const {authorization} = request.headers;
    requests.push({method, path, authorization, body: (text === '' ? {} : JSON.parse(text)) as SentBody, atMs: performance.now()});
    if (stub.breakConnection?.()) return void request.socket.destroy();
    await stub.delay?.();
    const {status = 200, headers = {}, body = {}} = stub.override?.(method, path) ?? ordinary(method, path);
    response.writeHead(status, {'content-type': 'application/json', ...headers}).end(JSON.stringify(body));
  };
  const server = createServer((request, response) => void answerTo(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(stub, {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2`,
    requests,
    of: (method: string, tail: string) => requests.filter((r) => r.method === method && r.path.endsWith(tail)),
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}
