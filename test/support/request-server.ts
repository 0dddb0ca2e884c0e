import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingHttpHeaders} from 'node:http';
import type {AddressInfo} from 'node:net';

export interface ReceivedCall {
  readonly method: string;
  /** Path and query as they came. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered: a status with a text, or nothing for as long as the server lives. */
export type Answer = {readonly status?: number; readonly text?: string; readonly headers?: Readonly<Record<string, string>>} | 'silence';

/** A small HTTP server on loopback that answers by `METHOD /path` (without the query), and remembers what it was asked. What it does not know is 404. */
export interface RequestServer extends AsyncDisposable {
  readonly url: string;
  readonly calls: readonly ReceivedCall[];
  /** What is answered from now on; a list is used up from its front, its last stays. */
  answer(route: string, ...answers: readonly Answer[]): void;
}

export async function startRequestServer(): Promise<RequestServer> {
  const calls: ReceivedCall[] = [];
  const routes = new Map<string, Answer[]>();
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
      const [method, path] = [request.method ?? '', request.url ?? ''];
      calls.push({method, path, headers: request.headers, body});
      const answers = routes.get(`${method} ${path.split('?')[0]}`) ?? [];
      const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? {status: 404, text: '{"message":"Not Found"}'};
      if (answer === 'silence') return;
      const {status = 200, text = '', headers = {}} = answer;
      response.writeHead(status, {...(text === '' ? {} : {'content-type': 'application/json'}), ...headers}).end(text);
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    answer: (route, ...answers) => void routes.set(route, [...answers]),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
