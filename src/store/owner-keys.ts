import type {BadEntry, Entry} from '../model/scan-record.ts';
import {deployOwnerKey, leaderKey, ownerKey} from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import type {Owner} from '../schema/owner.ts';
import type {Cache} from './cache.ts';

/** Keys that replicas claim: of scans, of deployments, of controllers that run once. A processing block's owner is the process that runs its script. */
export type OwnerRef =
  | {readonly kind: 'leader'; readonly controller: string}
  | {readonly kind: 'owner'; readonly id: string}
  | {readonly kind: 'deploy-owner'; readonly id: string};

export function isOwnerRef(ref: KeyRef | undefined): ref is KeyRef & OwnerRef {
  return ref?.kind === 'owner' || ref?.kind === 'leader' || ref?.kind === 'deploy-owner';
}

export function ownerKeyOf(ref: OwnerRef): string {
  switch (ref.kind) {
    case 'leader':
      return leaderKey(ref.controller);
    case 'owner':
      return ownerKey(ref.id);
    case 'deploy-owner':
      return deployOwnerKey(ref.id);
  }
}

/** An owner key as the cache has it, also if its value is bad: what proves ownership is its create revision. */
export function seenOwner(cache: Cache, key: string, ref: OwnerRef): Entry<Owner> | BadEntry | undefined {
  switch (ref.kind) {
    case 'leader':
      return cache.leaders.get(ref.controller) ?? cache.bad.get(key);
    case 'owner':
      return cache.scans.get(ref.id)?.owner ?? cache.bad.get(key);
    case 'deploy-owner':
      return cache.deployments.get(ref.id)?.owner ?? cache.bad.get(key);
  }
}

/** Owner keys that may be a replica's. */
export function* ownersBy(cache: Cache, replica: string): Generator<OwnerRef> {
  for (const id of cache.scans.idsBy('owner', replica)) yield {kind: 'owner', id};
  for (const {id, owner} of cache.deployments) if (owner?.value.replica === replica) yield {kind: 'deploy-owner', id};
  for (const controller of cache.leaders.keys()) yield {kind: 'leader', controller};
}
