import type {Context} from 'koa';
import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import type {RouteDeps} from './deps.ts';

/** What has to be current. */
export type FreshDeps = Pick<RouteDeps, 'cache' | 'store' | 'isCacheReady'>;

/**
 * Makes what is read next linearizable; with etcd away, says in the answer's headers how old it may be instead. Once per request: any moment of it will do.
 *
 * @throws ControlPlaneError `unavailable`: nothing has ever been read.
 */
export async function freshForRead(deps: FreshDeps, ctx: Context): Promise<void> {
  if (ctx.state['isFresh'] === true) return;
  ctx.state['isFresh'] = true;
  if (!deps.isCacheReady()) throw new ControlPlaneError('unavailable', 'the cache is not filled yet');
  if (deps.store.isReachable()) {
    try {
      await deps.cache.catchUp();
      return;
    } catch (err) {
      if (!hasCode(err, 'unavailable', 'unknown_outcome')) throw err;
    }
  }
  ctx.set('x-scanplane-cache-age-seconds', (deps.cache.ageMs() / 1000).toFixed(3));
  ctx.set('Warning', '110 - "etcd is away"');
}

/**
 * Makes what a write decides on linearizable; with a request's context, once in it.
 *
 * @throws ControlPlaneError `unavailable`, at once when etcd is known to be away
 */
export async function freshForWrite(deps: Pick<FreshDeps, 'cache' | 'store'>, ctx?: Context): Promise<void> {
  requireEtcd(deps);
  if (ctx?.state['isWritable'] === true) return;
  await deps.cache.catchUp();
  if (ctx !== undefined) ctx.state['isWritable'] = true;
}

/** @throws ControlPlaneError `unavailable`, so that a caller need not wait for a deadline while etcd is known to be away */
export function requireEtcd(deps: Pick<FreshDeps, 'store'>): void {
  if (!deps.store.isReachable()) throw new ControlPlaneError('unavailable', 'etcd is away');
}
