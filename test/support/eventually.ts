/** A machine of CI may be slow, and shared; where the condition comes, patience costs nothing. */
const PATIENCE = process.env['CI'] === undefined ? 1 : 3;

/**
 * Calls `fn` until it neither throws nor returns `false`, and returns what it returned.
 *
 * @throws the last error of `fn` (or one that says so) after `timeoutMs`, in CI after three times that.
 */
export async function eventually<T>(fn: () => T | Promise<T>, options: {readonly timeoutMs?: number; readonly everyMs?: number} = {}): Promise<T> {
  const timeoutMs = PATIENCE * (options.timeoutMs ?? 5000);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const result = await fn();
      if (result !== false) return result;
      failure = new Error(`still false after ${timeoutMs} ms`);
    } catch (err) {
      failure = err;
    }
    if (performance.now() > deadline) throw failure;
    await new Promise((resolve) => setTimeout(resolve, options.everyMs ?? 20));
  }
}
