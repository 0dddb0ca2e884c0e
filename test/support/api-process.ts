import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {freePort} from '../../src/cli/ports.ts';
import type {ProbeReading} from './probe.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const PROBE = new URL('probe.ts', import.meta.url).href;
const READY_MS = 30_000;

export interface ApiProcessOptions {
  /** Of etcd. */
  readonly endpoint: string;
  /** Further settings, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** `scanplane api` as it is deployed, in a process of its own that can be killed and measured. */
export class ApiProcess {
  readonly port: number;
  readonly #options: ApiProcessOptions;
  #child: ChildProcess;
  readonly #reap = (): void => void this.#child.kill('SIGKILL');

  private constructor(port: number, options: ApiProcessOptions) {
    this.port = port;
    this.#options = options;
    this.#child = this.#spawn();
    process.once('exit', this.#reap); // A test run that is interrupted leaves none behind.
  }

  static async start(options: ApiProcessOptions): Promise<ApiProcess> {
    const api = new ApiProcess(await freePort(), options);
    await api.#untilReady();
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the probe saw since the last call. */
  async reading(): Promise<ProbeReading> {
    const answered = once(this.#child, 'message');
    this.#child.send('read');
    const [reading] = (await answered) as [ProbeReading];
    return reading;
  }

  /** SIGKILL, and wait until it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** Starts it again on the same port, and resolves when it is ready. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = this.#spawn();
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    await this.kill();
    process.off('exit', this.#reap);
  }

  #spawn(): ChildProcess {
    return spawn(process.execPath, [...NODE_FLAGS, '--import', PROBE, MAIN, 'api'], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        SCANPLANE_ETCD_ENDPOINTS: this.#options.endpoint,
        SCANPLANE_API_PORT: String(this.port),
        SCANPLANE_CLUSTERS: JSON.stringify({local: {engine: 'process', capacity: 8, settings: {scanner_server: ['true'], worker: ['true']}}}),
        SCANPLANE_LOG_LEVEL: 'error',
        ...this.#options.settings,
      },
    });
  }

  async #untilReady(): Promise<void> {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      const isReady = await fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
      if (isReady) return;
      if (this.#child.exitCode !== null || performance.now() > deadline) throw new Error('scanplane api did not become ready');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
