import type {Replica} from '../schema/replica.ts';
import {clustersOf} from './demand.ts';
import {openTry} from './job-table.ts';
import {rendezvousOrder} from './rendezvous.ts';
import type {ScanRecord} from './scan-record.ts';

export interface LiveReplica {
  readonly id: string;
  readonly replica: Replica;
}

/** Where something runs, and on which clusters it is to run. */
export interface Need {
  readonly places: readonly string[];
  readonly clusters: readonly string[];
}

/** How many ranks whoever can do nothing for a scan's jobs stays behind those who can: they may be slow under load, and it would have to hand over. */
const OUTSIDER = 10;

/** Which of the live replicas should lead scans that need the same clusters and places. */
export class Placement {
  readonly #live: readonly LiveReplica[];
  readonly #all: readonly string[];
  readonly #byNeed = new Map<string, readonly string[]>();

  readonly #engineOf: (cluster: string) => string | undefined;

  /** `engineOf` names a cluster's engine, `undefined` for a cluster that does not exist. */
  constructor(live: readonly LiveReplica[], engineOf: (cluster: string) => string | undefined) {
    this.#live = live;
    this.#engineOf = engineOf;
    this.#all = live.map(({id}) => id);
  }

  /**
   * How many replicas are to try this scan before `self`; 0: it is the first choice.
   *
   * Those that share the place where the scan's jobs run come first, since they can adopt them; else those that serve its clusters; else anybody.
   */
  rank(record: ScanRecord, self: string): number {
    if (this.#isAlone(self)) return 0; // Without a look at its jobs.
    return this.rankFor(record.id, needOf(record), self);
  }

  /** The same for anything that needs these places and clusters. */
  rankFor(id: string, need: Need, self: string): number {
    if (this.#isAlone(self)) return 0;
    const candidates = this.#candidates(need);
    const rank = rendezvousOrder(candidates, id).indexOf(self);
    return rank === -1 ? candidates.length + OUTSIDER : rank;
  }

  /** Also when it is the first to come, and not announced yet. */
  #isAlone(self: string): boolean {
    return this.#all.length === 0 || (this.#all.length === 1 && this.#all[0] === self);
  }

  #candidates(need: Need): readonly string[] {
    const name = `${need.places.join(',')}|${need.clusters.join(',')}`;
    let found = this.#byNeed.get(name);
    if (found === undefined) {
      const sharing = this.#live.filter(
        ({replica}) => need.places.length > 0 && need.places.every((place) => Object.values(replica.places).includes(place)),
      );
      const serving = this.#live.filter(({replica}) => need.clusters.every((cluster) => this.#serves(replica, cluster)));
      const chosen = sharing.length > 0 ? sharing : serving;
      found = chosen.length > 0 ? chosen.map(({id}) => id) : this.#all;
      this.#byNeed.set(name, found);
    }
    return found;
  }

  #serves(replica: Replica, cluster: string): boolean {
    const engine = this.#engineOf(cluster);
    return engine !== undefined && replica.places[engine] !== undefined;
  }
}

function needOf(record: ScanRecord): Need {
  const places: string[] = [];
  record.jobs?.forEachOpen(({value}) => {
    const place = openTry(value)?.place;
    if (place !== undefined && !places.includes(place)) places.push(place);
  });
  return {places, clusters: [...clustersOf(record)]};
}
