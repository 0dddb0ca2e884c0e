/**
 * Calls `fn` until it neither throws nor returns `false`, and returns what it returned.
 *
 * @throws the last error of `fn` (or one that says so) after `timeoutMs`.
 */
export async function eventually<T>(fn: () => T | Promise<T>, options: {readonly timeoutMs?: number; readonly everyMs?: number} = {}): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? 5000);
  for (;;) {
    let failure: unknown;
    try {
      const result = await fn();
      if (result !== false) return result;
      failure = new Error(`still false after ${options.timeoutMs ?? 5000} ms`);
    } catch (err) {
      failure = err;
    }
    if (performance.now() > deadline) throw failure;
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
}
