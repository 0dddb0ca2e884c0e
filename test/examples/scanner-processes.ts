import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const SCANNER = fileURLToPath(new URL('../../examples/scanner/', import.meta.url));

/** A process of the reference scanner. */
export interface ScannerProcess {
  readonly child: ChildProcess;
  /** Lines of JSON that it has written so far. */
  log(): readonly Record<string, unknown>[];
  /** Its exit code (or the signal that ended it), once it has ended. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/** Real processes of the reference scanner around one folder and one address. */
export class ScannerFixture {
  readonly folder: string;
  readonly #address: string;
  readonly #processes: ScannerProcess[] = [];

  private constructor(folder: string, address: string) {
    this.folder = folder;
    this.#address = address;
  }

  static async create(address: string): Promise<ScannerFixture> {
    return new ScannerFixture(await mkdtemp(join(tmpdir(), 'scanplane-scanner-')), address);
  }

  get startupFile(): string {
    return join(this.folder, 'startup.json');
  }

  async startup(): Promise<{address: string; token: string}> {
    return JSON.parse(await readFile(this.startupFile, 'utf8')) as {address: string; token: string};
  }

  server(nsides: readonly string[], env: Record<string, string> = {}, args: readonly string[] = []): ScannerProcess {
    const line = ['--reco-algo', 'reference', '--client-startup-json', this.startupFile, '--nsides', ...nsides, '--real-event'];
    return this.#spawn('server.ts', [...line, '--predictive-scanning-threshold', '1.0', ...args], {
      SKYSCAN_SKYDRIVER_ADDRESS: this.#address,
      SKYSCAN_SKYDRIVER_AUTH: 'the-token',
      SKYSCAN_SKYDRIVER_SCAN_ID: 'abc123',
      ...env,
    });
  }

  worker(env: Record<string, string> = {}): ScannerProcess {
    return this.#spawn('worker.ts', ['--client-startup-json', this.startupFile], env);
  }

  /** Ends what still runs and removes the folder. */
  async stop(): Promise<void> {
    for (const {child} of this.#processes) {
      child.kill('SIGCONT');
      child.kill('SIGKILL');
    }
    await Promise.all(this.#processes.map(({ended}) => ended));
    await rm(this.folder, {recursive: true, force: true});
  }

  #spawn(script: string, args: readonly string[], env: Record<string, string>): ScannerProcess {
    const child = spawn(process.execPath, [join(SCANNER, script), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {PATH: process.env['PATH'], NODE_COMPILE_CACHE: join(tmpdir(), 'scanplane-compile-cache'), ...env},
    });
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    const started: ScannerProcess = {
      child,
      log: () =>
        text.split('\n').flatMap((line) => {
          try {
            return [JSON.parse(line) as Record<string, unknown>];
          } catch {
            return []; // Unfinished, or not a line of ours.
          }
        }),
      ended: once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals),
    };
    this.#processes.push(started);
    return started;
  }
}
