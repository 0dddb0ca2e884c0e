/**
 * Objects to look at, each at most once in the queue and never twice at the same time.
 *
 * An id added while it is being worked on is worked on once more afterwards. Delays are milliseconds; of several delays the earliest counts.
 */
export class WorkQueue {
  readonly #ready: string[] = [];
  #head = 0;
  readonly #queued = new Set<string>();
  readonly #active = new Set<string>();
  readonly #again = new Set<string>();
  readonly #timers = new Map<string, {readonly timer: NodeJS.Timeout; readonly dueAt: number}>();
  readonly #failures = new Map<string, number>();
  #wake: () => void = () => {};
  #isClosed = false;

  get size(): number {
    return this.#queued.size;
  }

  add(id: string): void {
    if (this.#isClosed) return;
    this.#dropTimer(id);
    if (this.#active.has(id)) {
      this.#again.add(id);
      return;
    }
    if (this.#queued.has(id)) return;
    this.#queued.add(id);
    this.#ready.push(id);
    this.#wake();
  }

  addAfter(id: string, afterMs: number): void {
    if (this.#isClosed || this.#queued.has(id)) return;
    if (afterMs <= 0) {
      this.add(id);
      return;
    }
    const dueAt = performance.now() + afterMs;
    const pending = this.#timers.get(id);
    if (pending !== undefined && pending.dueAt <= dueAt) return;
    this.#dropTimer(id);
    // setTimeout takes at most 2^31 - 1 ms; waking earlier is harmless.
    const timer = setTimeout(
      () => {
        this.#timers.delete(id);
        this.add(id);
      },
      Math.min(afterMs, 2_000_000_000),
    );
    this.#timers.set(id, {timer, dueAt});
  }

  /** Adds after a pause that doubles with each failure in a row, 100 ms to 30 s, spread by chance. */
  addWithBackoff(id: string): void {
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    this.addAfter(id, Math.min(30_000, 100 * 2 ** (failures - 1)) * (0.5 + Math.random() / 2));
  }

  /** Nothing is wrong with this id: its next failure starts at the shortest pause again. */
  forget(id: string): void {
    this.#failures.delete(id);
  }

  /** Works on ids, `concurrency` at a time, until `signal` aborts; then resolves when those in work are done. `work` must not reject. */
  forEach(concurrency: number, signal: AbortSignal, work: (id: string) => Promise<void>): Promise<void> {
    const over = Promise.withResolvers<void>();
    let running = 0;
    let isPlanned = false;
    const pump = (): void => {
      isPlanned = false;
      while (running < concurrency && !signal.aborted) {
        const id = this.#take();
        if (id === undefined) break;
        running++;
        void work(id).then(() => {
          running--;
          this.#finish(id);
          plan();
        });
      }
      if (signal.aborted && running === 0) over.resolve();
    };
    // Never within whatever adds an id: who else listens to the same event has to hear it first.
    const plan = (): void => {
      if (isPlanned) return;
      isPlanned = true;
      queueMicrotask(pump);
    };
    const close = (): void => {
      this.#isClosed = true;
      for (const {timer} of this.#timers.values()) clearTimeout(timer);
      this.#timers.clear();
      plan();
    };
    this.#wake = plan;
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, {once: true});
    plan();
    return over.promise;
  }

  #take(): string | undefined {
    const id = this.#ready[this.#head];
    if (id === undefined) return undefined;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#ready.length) {
      this.#ready.splice(0, this.#head);
      this.#head = 0;
    }
    this.#queued.delete(id);
    this.#active.add(id);
    return id;
  }

  #finish(id: string): void {
    this.#active.delete(id);
    if (this.#again.delete(id)) this.add(id);
  }

  #dropTimer(id: string): void {
    const pending = this.#timers.get(id);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.#timers.delete(id);
  }
}
