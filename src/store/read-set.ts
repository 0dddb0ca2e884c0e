import type {Listing} from './paths.ts';
import type {Revision} from './store.ts';

/** What was read, and at which revision: whoever waits for news of it has to begin there. */
export class ReadSet {
  readonly keys = new Map<string, Revision>();
  readonly lists = new Map<string, {readonly listing: Listing; readonly revision: Revision}>();

  /** Where something was read twice, the earlier reading counts. */
  addKey(key: string, revision: Revision): void {
    const before = this.keys.get(key);
    if (before === undefined || revision < before) this.keys.set(key, revision);
  }

  addList(listing: Listing, revision: Revision): void {
    const before = this.lists.get(listing.id);
    if (before === undefined || revision < before.revision) this.lists.set(listing.id, {listing, revision});
  }

  addAll(other: ReadSet): void {
    for (const [key, revision] of other.keys) this.addKey(key, revision);
    for (const {listing, revision} of other.lists.values()) this.addList(listing, revision);
  }

  /** The earliest revision of all; `undefined` when nothing was read. */
  get since(): Revision | undefined {
    let since: Revision | undefined;
    for (const revision of this.keys.values()) if (since === undefined || revision < since) since = revision;
    for (const {revision} of this.lists.values()) if (since === undefined || revision < since) since = revision;
    return since;
  }
}
