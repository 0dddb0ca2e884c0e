import type {KeyRef} from '../../schema/keys.ts';
import type {Cache, Change} from '../../store/cache.ts';
import type {Revision} from '../../store/store.ts';
import type {Kind} from './kinds.ts';

type Root = Kind<never>['root'];

/** That an object changed, or what belongs to it, at a revision. */
export interface ObjectChange {
  readonly root: Root;
  readonly id: string;
  readonly revision: Revision;
}

/** Told of changes as they are applied, in the order of their revisions. `lost`: from now on anything may be different. */
export interface ChangeListener {
  changed(change: ObjectChange): void;
  lost(): void;
}

/** Changes that are kept, for those who come back. */
const MAX_KEPT = 20_000;

const ROOT_OF: Readonly<Partial<Record<KeyRef['kind'], Root>>> = {
  ...{eb: 'eb', 'eb-state': 'eb'},
  ...{pb: 'pb', 'pb-admission': 'pb', 'pb-state': 'pb', 'pb-owner': 'pb'},
  script: 'script',
  ...{deploy: 'deploy', 'deploy-state': 'deploy', 'deploy-owner': 'deploy'},
};

function objectOf(ref: KeyRef): {readonly root: Root; readonly id: string} | undefined {
  if (ref.kind === 'backlog') return ref.of === 'pb' ? {root: 'pb', id: ref.id} : undefined;
  const root = ROOT_OF[ref.kind];
  return root === undefined ? undefined : {root, id: (ref as {readonly id: string}).id};
}

/**
 * What changed lately among blocks, scripts and deployments: what the watch cache has applied, for any number of readers, and remembered for those who
 * lost their connection.
 *
 * A reader of any replica may come back here, since revisions are etcd's.
 */
export class RecentChanges {
  readonly #listeners = new Set<ChangeListener>();
  #kept: ObjectChange[] = [];
  /** Changes after this revision are all in `#kept`. */
  #knownFrom: Revision = Number.POSITIVE_INFINITY;

  /** Listens to the cache until `signal` aborts. */
  constructor(cache: Pick<Cache, 'revision' | 'onChange'>, signal: AbortSignal) {
    if (cache.revision > 0) this.#knownFrom = cache.revision;
    cache.onChange((changes) => this.#take(changes), signal);
  }

  /** What changed after a revision, in order; `undefined` where that is not known (any more). */
  since(revision: Revision): readonly ObjectChange[] | undefined {
    if (revision < this.#knownFrom) return undefined;
    return this.#kept.slice(firstAfter(this.#kept, revision));
  }

  listen(listener: ChangeListener, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), {once: true});
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'relist') {
        this.#kept = [];
        this.#knownFrom = change.revision;
        for (const listener of this.#listeners) listener.lost();
        continue;
      }
      const object = objectOf(change.ref);
      if (object === undefined) continue;
      const found = {...object, revision: change.revision};
      this.#kept.push(found);
      for (const listener of this.#listeners) listener.changed(found);
    }
    if (this.#kept.length <= 2 * MAX_KEPT) return;
    this.#kept = this.#kept.slice(-MAX_KEPT);
    // Of the oldest revision some may be missing.
    this.#knownFrom = this.#kept[0]?.revision ?? this.#knownFrom;
  }
}

/** Where the changes after a revision begin. */
function firstAfter(changes: readonly ObjectChange[], revision: Revision): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle] as ObjectChange).revision > revision) high = middle;
    else low = middle + 1;
  }
  return low;
}
