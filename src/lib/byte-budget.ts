interface Waiting {
  readonly bytes: number;
  grant(): void;
}

/**
 * Lets so many bytes be held at once; who asks for more waits, first come, first served.
 *
 * More than all of it is granted when nothing else is held.
 */
export class ByteBudget {
  readonly #total: number;
  #held = 0;
  readonly #waiting: Waiting[] = [];

  constructor(total: number) {
    this.#total = total;
  }

  get held(): number {
    return this.#held;
  }

  /** Resolves to what gives the bytes back, which may be called again without harm. @throws the signal's reason when it aborts first */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || !this.#hasRoom(bytes)) {
      await new Promise<void>((resolve, reject) => {
        const abort = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
          reject(signal.reason as Error);
          this.#grant(); // Who stood behind may be smaller.
        };
        const grant = (): void => {
          signal.removeEventListener('abort', abort);
          resolve();
        };
        const waiting: Waiting = {bytes, grant};
        signal.addEventListener('abort', abort, {once: true});
        this.#waiting.push(waiting);
      });
    } else this.#held += bytes;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#held -= bytes;
      this.#grant();
    };
  }

  #hasRoom(bytes: number): boolean {
    return this.#held === 0 || this.#held + bytes <= this.#total;
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#hasRoom(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#held += next.bytes;
      next.grant();
    }
  }
}
