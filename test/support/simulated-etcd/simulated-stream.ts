import {EventEmitter} from 'node:events';
import {cancelled, notConnected} from './grpc-error.ts';
import type {Attached, SimulatedLink} from './simulated-link.ts';

/** etcd's side of a stream. */
export interface StreamServer<Request> {
  receive(request: Request): void;
  close(): void;
}

/** A stream of messages both ways over a link, as gRPC's: emits `data`, and at its end `error`. */
export class SimulatedStream<Request, Response> extends EventEmitter {
  readonly #link: SimulatedLink;
  readonly #attached: Attached;
  readonly #send: (deliver: () => void) => void;
  #server: StreamServer<Request> | undefined;
  #isOpen = false;
  #isOver = false;
  /** Written before there was a connection. */
  #early: Request[] = [];

  constructor(link: SimulatedLink, serve: (send: (response: Response, overtakes?: boolean) => void) => StreamServer<Request>) {
    super();
    this.#link = link;
    this.#send = link.lane('request');
    this.#attached = {closed: () => this.#server?.close(), broken: (err) => this.#end(err)};
    const toClient = link.lane('reply');
    const send = (response: Response, overtakes = false): void => {
      const deliver = (): void => {
        if (!this.#isOver) this.emit('data', response);
      };
      if (overtakes) link.overtake('reply', deliver);
      else toClient(deliver);
    };
    void link.connect(Number.MAX_SAFE_INTEGER).then((isReady) => {
      if (this.#isOver) return;
      if (!isReady) return this.#end(notConnected());
      this.#isOpen = true;
      link.attach(this.#attached);
      this.#send(() => {
        this.#server = serve(send);
        if (this.#isOver) this.#server.close();
      });
      for (const request of this.#early.splice(0)) this.write(request);
    });
  }

  write(request: Request): void {
    if (this.#isOver) return;
    if (!this.#isOpen) this.#early.push(request);
    else this.#send(() => this.#server?.receive(request));
  }

  end(): void {
    this.cancel();
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#link.detach(this.#attached);
    this.#link.overtake('request', () => this.#server?.close());
    this.#isOver = true;
    // As in gRPC, it is an error of the stream too.
    setImmediate(() => this.emit('error', cancelled()));
  }

  #end(err: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.emit('error', err);
  }
}
