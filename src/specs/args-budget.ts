import {ControlPlaneError} from '../lib/errors.ts';

/** Bounds what the arguments of a chain's jobs may take as JSON text: a list that is passed to each of its elements' jobs grows with the square of its length. */
export class ArgsBudget {
  readonly #maxBytes: number;
  /** Values are shared between jobs: each is measured once. */
  readonly #sizes = new WeakMap<object, number>();
  #used = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Counts the arguments of one more job. @throws ControlPlaneError `too_large` */
  take(args: Readonly<Record<string, unknown>>, bytes = ''): void {
    this.#used += bytes.length;
    for (const [name, value] of Object.entries(args)) this.#used += name.length + this.#sizeOf(value);
    if (this.#used > this.#maxBytes)
      throw new ControlPlaneError('too_large', `the arguments of the jobs take more than ${this.#maxBytes / 2 ** 20} MiB`);
  }

  /** Characters, about. */
  #sizeOf(value: unknown): number {
    if (typeof value === 'string') return value.length;
    if (typeof value !== 'object' || value === null) return 8;
    let size = this.#sizes.get(value);
    if (size === undefined) this.#sizes.set(value, (size = JSON.stringify(value).length));
    return size;
  }
}
