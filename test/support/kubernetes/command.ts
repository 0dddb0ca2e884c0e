import {spawn} from 'node:child_process';
import {once} from 'node:events';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string;
  /** SIGKILL after this long. */
  readonly timeoutMs?: number;
}

export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly stderr: string;
  readonly code: number | null;

  constructor(command: string, code: number | null, stderr: string) {
    super(`${command} ended with ${code ?? 'a signal'}: ${stderr.trim().split('\n').slice(-5).join('\n') || 'it said nothing'}`);
    this.code = code;
    this.stderr = stderr;
  }
}

/**
 * Runs a program to its end and returns what it wrote to standard output.
 *
 * @throws CommandError if it ends with anything but 0; the system's error if it cannot be started.
 */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const child = spawn(program, args, {
    ...(options.cwd === undefined ? {} : {cwd: options.cwd}),
    ...(options.env === undefined ? {} : {env: options.env}),
    ...(options.timeoutMs === undefined ? {} : {timeout: options.timeoutMs, killSignal: 'SIGKILL'}),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.on('error', () => {}); // it need not read all of it
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new CommandError([program, ...args.slice(0, 2)].join(' '), code, Buffer.concat(err).toString());
  return Buffer.concat(out).toString();
}
