import {isAuthExpired} from './etcd-errors.ts';
import type {EtcdMember} from './etcd-member.ts';
import type {LeaseId} from './store.ts';

/** gRPC's DEADLINE_EXCEEDED. */
const DEADLINE_EXCEEDED = 4;

/**
 * Renews a lease once, through one member.
 *
 * @returns its TTL in seconds, from now on; 0: it is gone
 * @throws raw gRPC errors, or what looks like one when no answer came in time
 */
export async function renewOnce(member: EtcdMember, lease: LeaseId, timeoutMs: number): Promise<number> {
  try {
    return await tryRenew(member, lease, timeoutMs);
  } catch (err) {
    // A stream learns only so that its token has expired.
    if (!isAuthExpired(err)) throw err;
    member.forgetToken();
    return tryRenew(member, lease, timeoutMs);
  }
}

async function tryRenew(member: EtcdMember, lease: LeaseId, timeoutMs: number): Promise<number> {
  const answer = Promise.withResolvers<number>();
  const fail = (): void => answer.reject(Object.assign(new Error('the lease was not renewed in time'), {code: DEADLINE_EXCEEDED}));
  const timer = setTimeout(fail, timeoutMs);
  const opening = member.keepAlive();
  opening.then(
    (stream) => {
      // Kept for good: a stream without this listener would end the process, also after it was cancelled.
      stream.on('error', (err) => answer.reject(err));
      stream.on('end', fail);
      stream.on('data', ({TTL}) => answer.resolve(Number(TTL)));
      stream.write({ID: lease});
    },
    (err: unknown) => answer.reject(err),
  );
  try {
    return Math.max(0, await answer.promise);
  } finally {
    clearTimeout(timer);
    opening.then(
      (stream) => stream.cancel(),
      () => {}, // Told already.
    );
  }
}
