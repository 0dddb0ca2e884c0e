import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {NODE_FLAGS} from '../../src/cli/node-flags.ts';
import {must} from '../../src/lib/assert.ts';
import {freePort} from '../../src/cli/ports.ts';
import {reapAtExit} from './remote.ts';
import {CLUSTER} from './sample-scan.ts';

/** `scanplane api` as it is deployed: no controllers, nothing of the bench in its process. */
export interface ApiProcess {
  readonly port: number;
  readonly pid: number;
  kill(): Promise<void>;
}

const READY_MS = 20_000;

export async function startApi(endpoint: string): Promise<ApiProcess> {
  const port = await freePort();
  const clusters = {[CLUSTER]: {engine: 'null', capacity: 1_000_000, settings: {scanner_server: ['true'], worker: ['true']}}};
  const child = spawn(process.execPath, [...NODE_FLAGS, join(import.meta.dirname, '..', '..', 'src', 'main.ts'), 'api'], {
    stdio: ['ignore', 'ignore', 'ignore'],
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      SCANPLANE_ETCD_ENDPOINTS: endpoint,
      SCANPLANE_API_PORT: String(port),
      SCANPLANE_CLUSTERS: JSON.stringify(clusters),
    },
  });
  reapAtExit(child);
  const gone = once(child, 'exit');
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const isReady = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (isReady) break;
    if (child.exitCode !== null || performance.now() > deadline) throw new Error('scanplane api did not become ready');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    pid: must(child.pid, 'a started process has a pid'),
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}
