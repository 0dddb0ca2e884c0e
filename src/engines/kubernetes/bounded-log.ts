/** The first and the last half of a stream, in memory. */
export class BoundedLog {
  readonly #half: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;

  /** `limitBytes`: how much is kept of both together. */
  constructor(limitBytes: number) {
    this.#half = Math.floor(limitBytes / 2);
  }

  /** Of all that was written, also of what was dropped. */
  get bytes(): number {
    return this.#total;
  }

  write(chunk: Buffer): void {
    this.#total += chunk.length;
    const room = this.#half - this.#headBytes;
    const first = chunk.subarray(0, room);
    if (first.length > 0) this.#head.push(Buffer.from(first));
    this.#headBytes += first.length;
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(Buffer.from(rest));
    this.#tailBytes += rest.length;
    // Now and then rather than for each chunk.
    if (this.#tailBytes > 2 * this.#half + 65_536) this.#cut();
  }

  /** What was kept; where something was dropped, one line says how much. */
  text(): string {
    this.#cut();
    const dropped = this.#total - this.#headBytes - this.#tailBytes;
    const [head, tail] = [Buffer.concat(this.#head), Buffer.concat(this.#tail)];
    return dropped <= 0 ? Buffer.concat([head, tail]).toString() : `${head.toString()}\n[${dropped} bytes dropped here]\n${tail.toString()}`;
  }

  #cut(): void {
    const all = Buffer.concat(this.#tail);
    const kept = this.#half === 0 ? Buffer.alloc(0) : all.subarray(-this.#half);
    this.#tail = [Buffer.from(kept)];
    this.#tailBytes = kept.length;
  }
}
