import type {FreeSlots} from '../model/admission-plan.ts';

export type Slots = Readonly<Record<string, number>>;

/** Slots in use on each cluster: those of admissions that are stored, and those of admissions sent and not yet seen. */
export class SlotLedger {
  /** Slots of every stored admission, by scan. */
  readonly #granted = new Map<string, Slots>();
  /** Slots of admissions sent and not yet seen, by scan. */
  readonly #reserved = new Map<string, Slots>();
  /** The sum of both, by cluster. */
  readonly #used = new Map<string, number>();

  /** What is stored for a scan; `undefined` when nothing was when it was looked at last. */
  granted(id: string): Slots | undefined {
    return this.#granted.get(id);
  }

  /** Takes in what is stored for a scan now. */
  setGranted(id: string, slots: Slots | undefined): void {
    const before = this.#granted.get(id);
    if (before === slots) return;
    if (before !== undefined) this.#use(before, -1);
    if (slots === undefined) this.#granted.delete(id);
    else {
      this.#use(slots, 1);
      this.#granted.set(id, slots);
    }
  }

  /** Forgets what is stored: it is about to be read again. */
  clearGranted(): void {
    for (const slots of this.#granted.values()) this.#use(slots, -1);
    this.#granted.clear();
  }

  isReserved(id: string): boolean {
    return this.#reserved.has(id);
  }

  reserve(id: string, slots: Slots): void {
    this.#reserved.set(id, slots);
    this.#use(slots, 1);
  }

  /** The reservation has become an admission, or come to nothing. */
  release(id: string): void {
    const slots = this.#reserved.get(id);
    if (slots === undefined) return;
    this.#reserved.delete(id);
    this.#use(slots, -1);
  }

  /** What is left of each cluster's capacity. Below zero where a capacity was lowered. */
  free(capacities: Iterable<readonly [cluster: string, capacity: number]>): FreeSlots {
    const free: FreeSlots = new Map();
    for (const [cluster, capacity] of capacities) free.set(cluster, capacity - (this.#used.get(cluster) ?? 0));
    return free;
  }

  #use(slots: Slots, sign: 1 | -1): void {
    // Of every running scan, when a leader begins: no lists of pairs.
    for (const cluster in slots) this.#used.set(cluster, (this.#used.get(cluster) ?? 0) + sign * (slots[cluster] ?? 0));
  }
}
