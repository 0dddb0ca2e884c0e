import type {Identity} from './authenticator.ts';

/** Tokens whose signature has been checked, by digest, until they expire. Bounded: the one remembered first goes first. */
export class TokenMemory {
  readonly #known = new Map<string, {readonly identity: Identity; readonly untilMs: number}>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#known.size;
  }

  /** @param nowMs wall clock, milliseconds since 1970 */
  find(digest: string, nowMs: number): Identity | undefined {
    const known = this.#known.get(digest);
    if (known === undefined) return undefined;
    if (nowMs < known.untilMs) return known.identity;
    this.#known.delete(digest);
    return undefined;
  }

  remember(digest: string, identity: Identity, untilMs: number): void {
    if (this.#known.size >= this.#limit) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(digest, {identity, untilMs});
  }

  clear(): void {
    this.#known.clear();
  }
}
