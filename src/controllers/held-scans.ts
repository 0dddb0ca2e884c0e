import type {Clock} from '../lib/clock.ts';
import type {FencedWriter} from '../store/contracts.ts';
import type {Revision} from '../store/store.ts';

/** What we remember of a scan while we own it. */
export interface HeldScan {
  readonly createRevision: Revision;
  readonly sinceMs: number;
  lastRevision: Revision;
  /** Tries of a chain that no engine took, by `<job>/<try>`, and why: no retry of the launch can mend it. */
  refused?: Map<string, string>;
  /** When its state was last made to say why nothing is launched, on the monotonic clock. */
  waitingSaidMs?: number;
  /** Why the scan must end, found out by an error that no retry can mend. */
  doomed?: string;
}

/** The scans that we own. */
export class HeldScans {
  readonly #held = new Map<string, HeldScan>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What we remember since `writer` was elected: one that was elected before has left nothing. */
  hold(id: string, writer: FencedWriter): HeldScan {
    let held = this.#held.get(id);
    if (held?.createRevision !== writer.createRevision) {
      held = {createRevision: writer.createRevision, sinceMs: this.#clock.monotonicMs(), lastRevision: writer.createRevision};
      // The loss may have been told before the answer that brought us here: then nobody would ever take it out again.
      if (writer.isOwner()) this.#held.set(id, held);
    }
    return held;
  }

  has(id: string): boolean {
    return this.#held.has(id);
  }

  ids(): Iterable<string> {
    return this.#held.keys();
  }

  drop(id: string): void {
    this.#held.delete(id);
  }
}
