import {must} from '../lib/assert.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Certificates} from './certificates.ts';
import type {EtcdMember} from './etcd-member.ts';
import {GrpcMember} from './grpc-member.ts';
import type {EtcdEndpoints} from './grpc-member.ts';

/** Makes the client of one member; nothing is sent before something is asked of it. */
export type OpenMember = (endpoint: string, options: EtcdEndpoints) => EtcdMember;

const overGrpc: OpenMember = (endpoint, options) => new GrpcMember(endpoint, options);

/**
 * The members of one etcd, with one that is preferred. Failover is ours: a member on which a call failed for its connection, its leader or its
 * deadline loses the preference to the next; it gets it back when the others fail.
 */
export class EtcdMembers {
  readonly members: readonly EtcdMember[];
  #preferred = 0;
  /** Members on which a call failed, and none has worked since. A hung one still looks connected: only other calls tell. */
  readonly #suspects = new Set<EtcdMember>();
  readonly #closing = new AbortController();

  /**
   * @param first which member to prefer in the beginning (modulo their number), so that replicas spread
   * @param open how a member is reached
   */
  constructor(options: EtcdEndpoints, first = 0, open: OpenMember = overGrpc) {
    if (options.endpoints.length === 0) throw new ControlPlaneError('invalid', 'no etcd endpoint is configured');
    this.members = options.endpoints.map((endpoint) => open(endpoint, options));
    this.#preferred = first % this.members.length;
  }

  get preferred(): EtcdMember {
    return must(this.members[this.#preferred], 'a member is preferred');
  }

  /** All members, the preferred one first. */
  order(): readonly EtcdMember[] {
    if (this.members.length === 1) return this.members;
    return [...this.members.slice(this.#preferred), ...this.members.slice(0, this.#preferred)];
  }

  /** A call on `member` failed for a reason that another member may not have. */
  reportFailure(member: EtcdMember): void {
    this.#suspects.add(member);
    // Only the preferred one moves the preference: many calls that fail together on it move it once.
    if (member === this.preferred) this.#preferred = (this.#preferred + 1) % this.members.length;
  }

  /** A call on `member` worked. When it was reached because others failed, it is preferred from now on. */
  reportSuccess(member: EtcdMember): void {
    this.#suspects.delete(member);
    if (member !== this.preferred && !this.preferred.isConnected()) this.#preferred = this.members.indexOf(member);
  }

  /** A member to which requests can be sent now, the preferred one if possible; waits up to `timeoutMs` for one. */
  async connected(timeoutMs: number, skip?: ReadonlySet<EtcdMember>): Promise<EtcdMember | undefined> {
    const candidates = this.order().filter((member) => !skip?.has(member));
    const trusted = candidates.filter((member) => !this.#suspects.has(member));
    for (const member of trusted) if (member.isConnected()) return member;
    const deadline = performance.now() + timeoutMs;
    for (const member of trusted) if (await member.connect(Math.max(0, deadline - performance.now()) / candidates.length)) return member;
    for (const member of candidates) if (member.isConnected()) return member;
    for (const member of candidates) {
      const left = Math.max(0, deadline - performance.now());
      if (await member.connect(left / candidates.length)) return member;
    }
    const left = deadline - performance.now();
    if (left <= 0 || candidates.length === 0) return undefined;
    // All are failing now; the first that comes back is taken.
    const waits = candidates.map(async (member) => ((await member.connect(left, true)) ? member : Promise.reject(new Error('not connected'))));
    return Promise.any(waits).catch(() => undefined);
  }

  /** Has all members spoken to by these certificates from now on. @throws what a member says that does not take them; to it those before are shown */
  async renew(certificates: Certificates): Promise<void> {
    const outcomes = await Promise.allSettled(this.members.map((member) => member.renew(certificates)));
    const refused = outcomes.find((outcome) => outcome.status === 'rejected');
    if (refused !== undefined) throw refused.reason;
  }

  /** Aborted by {@link close}. */
  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  close(): void {
    this.#closing.abort();
    for (const member of this.members) member.close();
  }
}
