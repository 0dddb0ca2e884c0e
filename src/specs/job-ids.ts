import {createHash} from 'node:crypto';
import {ControlPlaneError} from '../lib/errors.ts';

/** Gives the jobs of one chain their ids. */
export interface JobIds {
  /**
   * An id that no other job of the chain has. `instance` counts the jobs that one node was expanded to, from 1; absent: its node was not.
   *
   * @throws ControlPlaneError `too_large`: none is left
   */
  next(name: string, instance?: number): string;
}

/** A whole number from 0, below `bound` (at most 256). */
export type Draw = (bound: number) => number;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Ids of a few letters and digits, drawn by chance; what is drawn twice is drawn again, `draws` times at most. */
export class RandomJobIds implements JobIds {
  readonly #used = new Set<string>();
  readonly #draw: Draw;
  readonly #length: number;
  readonly #draws: number;

  constructor(draw: Draw, {length = 4, draws = 100}: {readonly length?: number; readonly draws?: number} = {}) {
    this.#draw = draw;
    this.#length = length;
    this.#draws = draws;
  }

  next(): string {
    for (let n = 0; n < this.#draws; n++) {
      let id = '';
      while (id.length < this.#length) id += ALPHABET[this.#draw(ALPHABET.length)];
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      return id;
    }
    throw new ControlPlaneError('too_large', `cannot generate a unique job id: ${this.#draws} draws gave only ids that are in use`);
  }
}

/** Ids that are names: `server`, for the jobs of an expanded node `workers-1`, `workers-2`. A name that is taken gets a number of its own. */
export class NamedJobIds implements JobIds {
  readonly #used = new Set<string>();
  readonly #last = new Map<string, number>();

  next(name: string, instance?: number): string {
    const wanted = instance === undefined ? name : `${name}-${instance}`;
    let id = wanted;
    let number = this.#last.get(name) ?? 1;
    while (this.#used.has(id)) id = `${name}-${++number}`;
    if (id !== wanted) this.#last.set(name, number);
    this.#used.add(id);
    return id;
  }
}

/** Ids that depend on nothing but the request's: whoever builds its chain, and however often, it is the same. */
export function jobIdsOf(requestId: string): JobIds {
  return new RandomJobIds(seededDraw(requestId));
}

/** Draws that a seed decides: the bytes of SHA-256 over seed and block number. Good for ids, not for secrets. */
export function seededDraw(seed: string): Draw {
  let block = Buffer.alloc(0);
  let blocks = 0;
  let at = 0;
  return (bound) => {
    // Bytes above the last multiple would favour small numbers.
    const limit = 256 - (256 % bound);
    for (;;) {
      if (at === block.length) {
        block = createHash('sha256').update(`${seed}\0${blocks++}`).digest();
        at = 0;
      }
      const byte = block[at++] as number;
      if (byte < limit) return byte % bound;
    }
  };
}
