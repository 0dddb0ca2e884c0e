import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {must} from '../../src/lib/assert.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** `scanplane controllers` as it is deployed, in a process of its own that can be killed. */
export class ControllersProcess {
  readonly #child: ChildProcess;
  readonly #reap = (): void => void this.#child.kill('SIGKILL');

  /** `settings`: environment variables. */
  constructor(endpoint: string, settings: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [...NODE_FLAGS, MAIN, 'controllers'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...{PATH: process.env['PATH'], HOME: process.env['HOME']},
        ...{SCANPLANE_ETCD_ENDPOINTS: endpoint, SCANPLANE_TTL_SECONDS: '2', SCANPLANE_RETRY_BASE_SECONDS: '0.1', SCANPLANE_LOG_LEVEL: 'silent'},
        ...settings,
      },
    });
    process.once('exit', this.#reap); // A test run that is interrupted leaves none behind.
  }

  get pid(): number {
    return must(this.#child.pid, 'the controllers have been started');
  }

  /** SIGKILL, and wait until it is gone. */
  async kill(): Promise<void> {
    process.off('exit', this.#reap);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
