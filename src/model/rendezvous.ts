/**
 * Rendezvous hashing: which replica tries first for an object, which second, and so on.
 *
 * Every replica computes the same order from the same membership, without talking. When a replica goes, only its own objects move; when one
 * comes, it takes an even share from all others.
 */

/** All of `replicaIds`, the one that should try first in front. `replicaIds` may be in any order; the result does not depend on it. */
export function rendezvousOrder(replicaIds: readonly string[], objectId: string): string[] {
  const object = hashOf(objectId);
  return replicaIds
    .map((id) => ({id, score: scoreOf(replicaHash(id), object)}))
    .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    .map(({id}) => id);
}

/** The first of {@link rendezvousOrder}, without sorting; `undefined` when there is no replica. */
export function firstChoice(replicaIds: readonly string[], objectId: string): string | undefined {
  const object = hashOf(objectId);
  let best: string | undefined;
  let bestScore = -1;
  for (const id of replicaIds) {
    const score = scoreOf(replicaHash(id), object);
    if (score > bestScore || (score === bestScore && best !== undefined && id < best)) {
      best = id;
      bestScore = score;
    }
  }
  return best;
}

/** Hashes of replica ids, which are few and come again for every object. Emptied when it has grown, since replicas come and go. */
const replicaHashes = new Map<string, number>();

function replicaHash(id: string): number {
  let hash = replicaHashes.get(id);
  if (hash === undefined) {
    if (replicaHashes.size >= 1024) replicaHashes.clear();
    hash = mixed(hashOf(id) ^ 0x9e3779b9);
    replicaHashes.set(id, hash);
  }
  return hash;
}

function scoreOf(replica: number, object: number): number {
  return mixed(object ^ replica) >>> 0;
}

/** FNV-1a over UTF-16 code units: 32 bits. Weak alone, hence {@link mixed}. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** A bijective 32-bit mixer in which every input bit reaches every output bit: ids that differ in one digit score unrelated. */
function mixed(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}
