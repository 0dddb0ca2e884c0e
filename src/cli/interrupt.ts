/** Ctrl-C. Nobody is told what went wrong, since nothing did. */
export class Interrupted extends Error {
  constructor() {
    super('interrupted');
    this.name = 'Interrupted';
  }
}

/** What `work` resolves to, or {@link Interrupted} as soon as `signal` says so: `work` is then left alone, whatever becomes of it. */
export async function unlessInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => {});
    throw new Interrupted();
  }
  let stop = (): void => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Interrupted());
    signal.addEventListener('abort', stop, {once: true});
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    signal.removeEventListener('abort', stop);
    work.catch(() => {});
  }
}
