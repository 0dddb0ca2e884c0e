import {fork} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {must} from '../../src/lib/assert.ts';

type Methods = Readonly<Record<string, (...args: never[]) => unknown>>;
/** The same functions, called from another process. */
export type Remote<M extends Methods> = {
  readonly [K in keyof M]: (...args: Parameters<M[K]>) => Promise<Awaited<ReturnType<M[K]>>>;
};

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly never[];
}
type Answer = {readonly id: number; readonly value: unknown} | {readonly id: number; readonly error: string};

/** Offers functions to the process that started this one. */
export function serve(methods: Methods): void {
  process.on('message', (call: Call) => {
    const answer = (reply: Answer): void => void process.send?.(reply);
    Promise.resolve()
      .then(() => must(methods[call.method], call.method)(...call.args))
      .then(
        (value) => answer({id: call.id, value}),
        (err: unknown) => answer({id: call.id, error: err instanceof Error ? (err.stack ?? err.message) : String(err)}),
      );
  });
  // Nobody is there to stop us later.
  process.on('disconnect', () => process.exit(0));
  process.send?.({id: 0, value: null} satisfies Answer);
}

export interface Started<M extends Methods> {
  readonly pid: number;
  readonly call: Remote<M>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  /** SIGKILL, and wait until it is gone. */
  kill(): Promise<void>;
}

/**
 * Starts `bench/processes/<file>` in a process of its own, with these flags of Node, and resolves when it serves.
 *
 * A call to a process that ends before it has answered is rejected.
 */
export async function startProcess<M extends Methods>(file: string, flags: readonly string[] = []): Promise<Started<M>> {
  const child = fork(join(import.meta.dirname, '..', 'processes', file), [], {
    execArgv: ['--expose-gc', '--max-old-space-size=4096', ...flags],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const ready = Promise.withResolvers<unknown>();
  waiting.set(0, ready);
  child.on('message', (answer: Answer) => {
    const call = waiting.get(answer.id);
    waiting.delete(answer.id);
    if ('error' in answer) call?.reject(new Error(`${file}: ${answer.error}`));
    else call?.resolve(answer.value);
  });
  const ended = once(child, 'exit').then(() => {
    for (const call of waiting.values()) call.reject(new Error(`${file} has ended`));
    waiting.clear();
  });
  reapAtExit(child);
  await ready.promise;

  let last = 0;
  const call = new Proxy({} as Remote<M>, {
    get: (_, method: string) =>
      async function invoke(...args: never[]): Promise<unknown> {
        const id = ++last;
        const pending = Promise.withResolvers<unknown>();
        waiting.set(id, pending);
        child.send({id, method, args} satisfies Call, (err) => {
          if (err !== null) pending.reject(err);
        });
        return await pending.promise;
      },
  });
  return {
    pid: must(child.pid, 'a started process has a pid'),
    call,
    signal: (signal) => void child.kill(signal),
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Whatever ends this process by its own hand ends the child too. */
export function reapAtExit(child: ChildProcess): void {
  living.add(child);
  child.once('exit', () => living.delete(child));
}
