/** What shells say of a program that wrote to a pipe nobody reads. */
const PIPE_CODE = 141;

/** Runs a command line as this process: the first Ctrl-C aborts `interrupt`, a second one ends it at once. @returns the exit code */
export async function asProcess(run: (interrupt: AbortSignal) => Promise<number>): Promise<number> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (err: NodeJS.ErrnoException) => process.exit(err.code === 'EPIPE' ? PIPE_CODE : 1));
  }
  try {
    return await run(interrupt.signal);
  } finally {
    process.stdin.destroy(); // One that is being waited for would keep the process alive.
  }
}
