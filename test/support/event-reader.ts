import {once} from 'node:events';
import {get} from 'node:http';
import type {ClientRequest, IncomingMessage} from 'node:http';

/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

const TIMEOUT_MS = 10_000;

/** Reads server-sent events. @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
export class EventReader {
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  readonly #events: ServerEvent[] = [];
  readonly #end: Promise<unknown>;
  #text = '';
  #wake: (() => void) | undefined;

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.#response = response;
    this.#end = new Promise((resolve) => response.once('close', resolve));
    response.setEncoding('utf8');
    response.on('error', () => {}); // We, or the server, have cut it off.
    response.on('data', (text: string) => this.#take(text));
  }

  static async open(url: string, lastEventId?: string): Promise<EventReader> {
    const headers = {accept: 'text/event-stream', ...(lastEventId === undefined ? {} : {'last-event-id': lastEventId})};
    const request = get(url, {headers, agent: false});
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (response.headers['content-type']?.startsWith('text/event-stream') !== true) throw new Error(`${response.statusCode} for ${url}`);
    request.on('error', () => {}); // As above.
    return new EventReader(request, response);
  }

  /** The next events, so many. */
  async next(count: number): Promise<ServerEvent[]> {
    await this.#enough(() => this.#events.length >= count);
    return this.#events.splice(0, count);
  }

  /** The next events, up to the first of which `isLast` is true. */
  async until(isLast: (event: ServerEvent) => boolean): Promise<ServerEvent[]> {
    await this.#enough(() => this.#events.some(isLast));
    return this.#events.splice(0, this.#events.findIndex(isLast) + 1);
  }

  /** Resolves when the server has ended it. */
  async ended(): Promise<void> {
    await this.#end;
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  close(): void {
    this.#request.destroy();
  }

  async #enough(isEnough: () => boolean): Promise<void> {
    const late = AbortSignal.timeout(TIMEOUT_MS);
    while (!isEnough()) {
      if (late.aborted) throw new Error(`not told in time; so far: ${JSON.stringify(this.#events).slice(0, 2000)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        late.addEventListener('abort', () => resolve(), {once: true});
      });
    }
  }

  #take(text: string): void {
    const parts = (this.#text + text).split('\n\n');
    this.#text = parts.pop() as string;
    for (const part of parts) {
      const fields = new Map(part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
      const data = fields.get('data');
      if (data !== undefined) this.#events.push({event: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(data)});
    }
    this.#wake?.();
  }
}
