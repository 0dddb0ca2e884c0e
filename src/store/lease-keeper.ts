import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {LeaseKeeper} from './contracts.ts';
import {grpcFailure, isLeaseGone} from './etcd-errors.ts';
import {within} from './etcd-member.ts';
import type {EtcdMember, KeepAliveStream} from './etcd-member.ts';
import type {EtcdMembers} from './etcd-members.ts';
import type {LeaseId} from './store.ts';

export interface LeaseKeeperDeps {
  readonly members: EtcdMembers;
  readonly clock: Clock;
  readonly log: Log;
  /** etcd grants 2 s at least, at its default election timeout. */
  readonly ttlSeconds: number;
  /** Renewals that are sent in the time to live of one. Default 3. */
  readonly renewals?: number;
}

/** Which part of the TTL we stop earlier than etcd would: for the way of what was begun just before, and for clocks that run unevenly. */
const MARGIN = 0.05;
const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1000;
const REVOKE_TIMEOUT_MS = 1000;

/** The lease that is held. */
interface HeldLease {
  readonly id: LeaseId;
  readonly ttlMs: number;
  /** Monotonic; nothing may be done from then on. */
  deadline: number;
  /** The member that acknowledged a renewal last, and when that was sent. */
  renewedBy: {readonly member: EtcdMember; readonly sentAt: number} | undefined;
  /** Streams that broke so far. */
  breaks: number;
}

/**
 * Keeps one lease of one etcd, whichever of its members answers.
 *
 * A renewal is sent every third of the TTL, or as often as is asked for. A member that has not answered after a sixth is passed over: the next one is asked on a stream of its
 * own, while the first may still answer. Whoever answers is asked first the next time. All times are monotonic, and an acknowledged renewal counts
 * from before it was sent: so the deadline is never later than etcd's, whatever the network, a pause of this process or the wall clock do.
 */
export class EtcdLeaseKeeper implements LeaseKeeper {
  readonly #deps: LeaseKeeperDeps;
  readonly #listeners = new Set<(lease: LeaseId) => void>();
  readonly #acquiring = new Set<() => void>();
  #held: HeldLease | undefined;
  #wake: (() => void) | undefined;
  #mustRenewNow = false;

  constructor(deps: LeaseKeeperDeps) {
    this.#deps = deps;
  }

  get ttlSeconds(): number {
    return this.#deps.ttlSeconds;
  }

  current(): LeaseId | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    if (this.#deps.clock.monotonicMs() < held.deadline) return held.id;
    // The first look after a pause of this process: noticed here, before any timer had its turn.
    this.#lose(held, 'its deadline has passed');
    return undefined;
  }

  async acquire(signal: AbortSignal): Promise<LeaseId> {
    for (;;) {
      signal.throwIfAborted();
      const lease = this.current();
      if (lease !== undefined) return lease;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#acquiring.delete(done);
          signal.removeEventListener('abort', done);
          resolve();
        };
        this.#acquiring.add(done);
        signal.addEventListener('abort', done, {once: true});
      });
    }
  }

  onLost(listener: (lease: LeaseId) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const own = (lease: LeaseId): void => listener(lease);
    this.#listeners.add(own);
    signal.addEventListener('abort', () => this.#listeners.delete(own), {once: true});
  }

  /** Renews at once instead of at the next third of the TTL: for who has reason to think that etcd has dropped the lease. */
  check(): void {
    this.#mustRenewNow = true;
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort, {once: true});
    try {
      let failures = 0;
      while (!signal.aborted) {
        const held = await this.#grant(signal);
        if (held === undefined) {
          await sleep(Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(failures++, 8)), signal);
          continue;
        }
        failures = 0;
        await this.#keep(held, signal);
        // Whatever was attached to it goes now, not when it expires. Bounded; what does not work here, etcd does by itself.
        await this.#revoke(held.id);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #grant(signal: AbortSignal): Promise<HeldLease | undefined> {
    const {members, clock, log, ttlSeconds} = this.#deps;
    const member = await members.connected(1000);
    if (member === undefined || signal.aborted) return undefined;
    const sentAt = clock.monotonicMs();
    try {
      // Where the reply is lost the lease stands unused until it expires: harmless.
      const {ID, TTL} = await member.lease.leaseGrant({TTL: ttlSeconds, ID: 0}, within(ttlSeconds * 500));
      const ttlMs = Number(TTL) * 1000;
      const held: HeldLease = {id: ID, ttlMs, deadline: sentAt + ttlMs * (1 - MARGIN), renewedBy: undefined, breaks: 0};
      if (signal.aborted || clock.monotonicMs() >= held.deadline) {
        await this.#revoke(ID);
        return undefined;
      }
      this.#held = held;
      log.info({lease: ID, ttlSeconds: Number(TTL)}, 'lease granted');
      for (const done of this.#acquiring) done();
      return held;
    } catch (err) {
      members.reportFailure(member);
      log.warn({err, member: member.endpoint}, 'no lease was granted; trying again');
      return undefined;
    }
  }

  /** Renews until the lease is lost or `signal` aborts. */
  async #keep(held: HeldLease, signal: AbortSignal): Promise<void> {
    const {members, clock, log} = this.#deps;
    const renewals = new Map<EtcdMember, Renewals>();
    let first = members.preferred;
    const everyMs = held.ttlMs / (this.#deps.renewals ?? 3);
    let renewAt = held.deadline - held.ttlMs * (1 - MARGIN) + everyMs;
    try {
      while (!signal.aborted && this.#held === held) {
        const now = clock.monotonicMs();
        if (now >= held.deadline) {
          this.#lose(held, 'its deadline has passed');
          return;
        }
        if (now < renewAt && !this.#mustRenewNow) {
          await this.#wait(renewAt - now);
          continue;
        }
        this.#mustRenewNow = false;
        renewAt = now + everyMs;
        const answered = await this.#renew(held, first, now, renewals, signal);
        if (answered === undefined) continue;
        if (answered !== first) {
          // What renews first notices first: the writes need not find out by themselves.
          members.reportFailure(first);
          log.warn({silent: first.endpoint, member: answered.endpoint}, 'lease renewed through another member');
        }
        first = answered;
        for (const [member, renewal] of renewals) {
          if (member === answered) continue;
          renewal.close();
          renewals.delete(member);
        }
      }
    } finally {
      for (const renewal of renewals.values()) renewal.close();
      if (signal.aborted && this.#held === held) {
        this.#held = undefined;
        this.#tellLost(held.id);
      }
    }
  }

  /** Asks one member after the other, until one has acknowledged a renewal sent since `startedAt` or the lease is lost. */
  async #renew(
    held: HeldLease,
    first: EtcdMember,
    startedAt: number,
    renewals: Map<EtcdMember, Renewals>,
    signal: AbortSignal,
  ): Promise<EtcdMember | undefined> {
    const {members, clock} = this.#deps;
    const order = [first, ...members.order().filter((member) => member !== first)];
    for (let attempt = 0; ; attempt++) {
      const member = order[attempt % order.length] as EtcdMember;
      let renewal = renewals.get(member);
      if (renewal === undefined || renewal.isBroken) {
        renewal = new Renewals(member, held.id, clock, {
          onRenewed: (sentAt) => {
            this.#extend(held, sentAt);
            if (sentAt >= (held.renewedBy?.sentAt ?? 0)) held.renewedBy = {member, sentAt};
            this.#wake?.();
          },
          onGone: () => this.#lose(held, 'etcd does not know it any more'),
          onBroken: () => {
            held.breaks += 1;
            this.#wake?.();
          },
        });
        renewals.set(member, renewal);
      }
      const breaksBefore = held.breaks;
      renewal.send();
      const nextMemberAt = clock.monotonicMs() + held.ttlMs / 6;
      for (;;) {
        const now = clock.monotonicMs();
        if (held.renewedBy !== undefined && held.renewedBy.sentAt >= startedAt) return held.renewedBy.member;
        if (signal.aborted || this.#held !== held || now >= held.deadline) return undefined;
        if (now >= nextMemberAt) break;
        if (held.breaks > breaksBefore) {
          // A broken stream says at once what silence says late; but a whole round of them is no reason to spin.
          if ((attempt + 1) % order.length === 0) await sleep(Math.min(MIN_PAUSE_MS, held.ttlMs / 6), signal);
          break;
        }
        await this.#wait(Math.min(nextMemberAt, held.deadline) - now);
      }
    }
  }

  #extend(held: HeldLease, sentAt: number): void {
    if (this.#held !== held) return;
    // Not after the deadline has passed: by then somebody may have been told that the lease is lost.
    if (this.current() !== held.id) return;
    held.deadline = Math.max(held.deadline, sentAt + held.ttlMs * (1 - MARGIN));
  }

  #lose(held: HeldLease, why: string): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#deps.log.error({lease: held.id, why}, 'lease lost');
    this.#tellLost(held.id);
    this.#wake?.();
  }

  #tellLost(lease: LeaseId): void {
    for (const listener of this.#listeners) {
      try {
        listener(lease);
      } catch (err) {
        this.#deps.log.error({err}, 'a listener of the lease threw');
      }
    }
  }

  /** Tries each member once. */
  async #revoke(id: LeaseId): Promise<void> {
    for (const member of this.#deps.members.order()) {
      try {
        await member.lease.leaseRevoke({ID: id}, within(REVOKE_TIMEOUT_MS));
        return;
      } catch (err) {
        if (isLeaseGone(err)) return;
        this.#deps.log.warn({err, lease: id, member: member.endpoint}, 'the lease could not be revoked here');
      }
    }
  }

  /** Until {@link #wake} is called, or `ms` have passed. */
  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, ms));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

interface RenewalHooks {
  onRenewed(sentAt: number): void;
  onGone(): void;
  onBroken(): void;
}

/** Renewals of one lease on one stream to one member. Answers come in the order of the questions. */
class Renewals {
  isBroken = false;
  readonly #member: EtcdMember;
  readonly #lease: LeaseId;
  readonly #clock: Clock;
  readonly #hooks: RenewalHooks;
  readonly #sent: number[] = [];
  #stream: KeepAliveStream | undefined;
  #isClosed = false;
  #isOpening = false;

  constructor(member: EtcdMember, lease: LeaseId, clock: Clock, hooks: RenewalHooks) {
    this.#member = member;
    this.#lease = lease;
    this.#clock = clock;
    this.#hooks = hooks;
  }

  send(): void {
    if (this.#stream === undefined) {
      if (!this.#isOpening) void this.#open();
      return;
    }
    // Before the sending: the lease lives at least so long from then on.
    this.#sent.push(this.#clock.monotonicMs());
    this.#stream.write({ID: this.#lease});
  }

  close(): void {
    this.#isClosed = true;
    this.#stream?.cancel();
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    try {
      const stream = await this.#member.keepAlive();
      // Kept for good: a stream without this listener would end the process, also after it was cancelled.
      stream.on('error', (err) => this.#break(err));
      stream.on('end', () => this.#break(new Error('the keep-alive stream ended')));
      if (this.#isClosed) {
        stream.cancel();
        return;
      }
      stream.on('data', (reply) => {
        const sentAt = this.#sent.shift();
        if (sentAt === undefined || this.#isClosed) return;
        if (Number(reply.TTL) > 0) this.#hooks.onRenewed(sentAt);
        else this.#hooks.onGone();
      });
      this.#stream = stream;
      this.send();
    } catch (err) {
      this.#break(err);
    }
  }

  #break(err: unknown): void {
    if (this.isBroken || this.#isClosed) return;
    this.isBroken = true;
    if (/auth|permission/.test(grpcFailure(err).details)) this.#member.forgetToken();
    this.#hooks.onBroken();
  }
}
