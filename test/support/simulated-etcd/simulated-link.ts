import type {Direction, ProxyMode} from '../tcp-proxy.ts';
import type {CallOptions} from '../../../src/store/etcd-member.ts';
import type {VirtualProcess} from '../virtual-time/virtual-process.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {connectionLost, deadlineExceeded, notConnected} from './grpc-error.ts';
import type {SimulatedEtcd} from './simulated-etcd.ts';

/** Milliseconds that one message is under way. */
export type Latency = () => number;

/** Whoever wants to know that the connection has ended. `err`: as the client sees it. */
export interface Attached {
  /** The server sees it at once. */
  closed(): void;
  /** The client sees it. */
  broken(err: Error): void;
}

interface Held {
  readonly epoch: number;
  readonly deliver: () => void;
}

/** gRPC's keep-alive: a connection on which nothing answers is given up after so long. */
const SILENCE_MS = 7000;

/**
 * The way from one client to one member: one connection, which is opened when it is needed and again after it broke.
 *
 * It misbehaves on command, with the words of {@link TcpProxy}. Whatever comes out at the client's side comes in the name of the client's process: when
 * that was killed, nothing does, while what it had sent still arrives.
 */
export class SimulatedLink {
  readonly time: VirtualTime;
  readonly etcd: SimulatedEtcd;
  /** Connections opened so far. */
  accepted = 0;
  readonly #process: VirtualProcess | undefined;
  readonly #latency: Latency;
  readonly #random: () => number;
  readonly #modes: Record<Direction, ProxyMode> = {request: 'pass', reply: 'pass'};
  readonly #held: Record<Direction, Held[]> = {request: [], reply: []};
  readonly #attached = new Set<Attached>();
  readonly #waiting = new Set<(isReady: boolean) => void>();
  #isRefusing = false;
  #state: 'idle' | 'connecting' | 'ready' = 'idle';
  /** Which connection it is: what was under way on an earlier one is lost. */
  #epoch = 0;

  constructor(etcd: SimulatedEtcd, process: VirtualProcess | undefined, latency: Latency, random: () => number) {
    this.etcd = etcd;
    this.time = etcd.time;
    this.#process = process;
    this.#latency = latency;
    this.#random = random;
    process?.onKill(() => {
      for (const attached of this.#attached) attached.closed();
    });
    etcd.onDown(() => this.cutAll());
    etcd.onUp(() => this.#retry());
  }

  get isReady(): boolean {
    return this.#state === 'ready';
  }

  get open(): number {
    return this.#state === 'ready' ? 1 : 0;
  }

  // Misbehaving

  set(direction: Direction, mode: ProxyMode): void {
    this.#modes[direction] = mode;
    if (mode === 'stall') {
      const epoch = this.#epoch;
      this.time.after(
        SILENCE_MS,
        () => {
          if (this.#modes[direction] === 'stall' && this.#epoch === epoch && this.#attached.size > 0) this.cutAll();
        },
        this.#process,
      );
      return;
    }
    for (const {epoch, deliver} of this.#held[direction].splice(0)) this.#arrive(direction, epoch, deliver);
    this.#retry();
  }

  /** Both directions pass. */
  heal(): void {
    this.#isRefusing = false;
    this.set('request', 'pass');
    this.set('reply', 'pass');
  }

  /** Neither direction passes, and nothing tells the client: a cable that was pulled. */
  blackhole(): void {
    this.set('request', 'stall');
    this.set('reply', 'stall');
  }

  /** Ends the connection, and every further one as soon as it comes. */
  refuse(): void {
    this.#isRefusing = true;
    this.cutAll();
  }

  /** Replies are held back until `done` resolves, which has to show that etcd did what it was asked; then the connection is cut. Later ones work. */
  async loseReplies(done: () => Promise<unknown>): Promise<void> {
    this.set('reply', 'stall');
    try {
      await done();
    } finally {
      this.cutAll();
      this.set('reply', 'pass');
    }
  }

  /** Ends the connection: of what is under way, some requests still arrive, and no reply. */
  cutAll(): void {
    this.#epoch += 1;
    this.#held.request = [];
    this.#held.reply = [];
    if (this.#state === 'ready') this.#state = 'idle';
    for (const attached of this.#attached) {
      attached.closed();
      this.time.after(0, () => attached.broken(connectionLost()), this.#process);
    }
    this.#attached.clear();
  }

  // Connecting

  /** Resolves to whether there is a connection; `false` as soon as connecting has failed, or after `timeoutMs`. With `isPatient`, waits through failures. */
  connect(timeoutMs: number, isPatient = false): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (isReady: boolean): void => {
        if (!isReady && isPatient) return;
        end(isReady);
      };
      const end = (isReady: boolean): void => {
        timer.isCancelled = true;
        this.#waiting.delete(settle);
        resolve(isReady);
      };
      const timer = this.time.after(timeoutMs, () => end(false), this.#process);
      if (this.isReady) return end(true);
      this.#waiting.add(settle);
      this.#dial();
    });
  }

  #dial(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'connecting';
    this.time.after(
      this.#latency() * 2,
      () => {
        this.#state = 'idle';
        // Nobody answers: neither yes nor no.
        if (this.#modes.request === 'stall' || this.#modes.reply === 'stall') return;
        const isReady = !this.#isRefusing && !this.etcd.isDown;
        if (isReady) {
          this.#state = 'ready';
          this.accepted += 1;
        }
        for (const settle of this.#waiting) settle(isReady);
      },
      this.#process,
    );
  }

  /** Something has changed for the better. */
  #retry(): void {
    if (this.#waiting.size > 0) this.#dial();
  }

  // Carrying

  /** One call: `serve` runs at etcd when the request arrives there. */
  call<T>(serve: () => T, {deadline}: CallOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      const attached: Attached = {closed: () => {}, broken: (err) => settle(() => reject(err))};
      const settle = (how: () => void): void => {
        timer.isCancelled = true;
        this.#attached.delete(attached);
        how();
      };
      const leftMs = Number(deadline) - this.time.epochMs - this.time.nowMs;
      const timer = this.time.after(leftMs, () => settle(() => reject(deadlineExceeded())), this.#process);
      const send = (isReady: boolean): void => {
        if (timer.isCancelled) return;
        if (!isReady) return settle(() => reject(notConnected()));
        this.#attached.add(attached);
        this.#carry('request', this.#latency(), () => {
          let answer: () => void;
          try {
            const value = serve();
            answer = () => resolve(value);
          } catch (err) {
            answer = () => reject(err as Error);
          }
          this.#carry('reply', this.#latency(), () => settle(answer));
        });
      };
      if (this.isReady) send(true);
      else void this.connect(leftMs).then(send);
    });
  }

  /** As long as the connection lasts, `attached` hears of its end. */
  attach(attached: Attached): void {
    this.#attached.add(attached);
  }

  detach(attached: Attached): void {
    this.#attached.delete(attached);
  }

  /** A way for messages in one direction, which keeps their order. */
  lane(direction: Direction): (deliver: () => void) => void {
    let lastMs = 0;
    return (deliver) => {
      // A bit later than the one before: the sum of a time and a difference of times may come out below what it stands for.
      lastMs = Math.max(lastMs + 1e-6, this.time.nowMs + this.#latency());
      this.#carry(direction, lastMs - this.time.nowMs, deliver);
    };
  }

  /** A message that goes its own way. */
  overtake(direction: Direction, deliver: () => void): void {
    this.#carry(direction, this.#latency(), deliver);
  }

  #carry(direction: Direction, ms: number, deliver: () => void): void {
    const epoch = this.#epoch;
    this.time.after(ms, () => this.#arrive(direction, epoch, deliver), direction === 'reply' ? this.#process : undefined);
  }

  #arrive(direction: Direction, epoch: number, deliver: () => void): void {
    if (epoch !== this.#epoch) {
      // It was in a buffer on the other side already, or it was not.
      if (direction === 'request' && !this.etcd.isDown && this.#random() < 0.5) deliver();
      return;
    }
    switch (this.#modes[direction]) {
      case 'pass':
        return deliver();
      case 'stall':
        this.#held[direction].push({epoch, deliver});
        return;
      case 'swallow':
        return;
      case 'cut':
        return this.cutAll();
    }
  }
}
