import {expect} from 'vitest';
import type {DeployRecord} from '../../src/model/block-record.ts';
import {openTryOf} from '../../src/model/deployment-facts.ts';
import {deploymentJobs} from '../../src/schema/deployment.ts';
import type {DeploymentState} from '../../src/schema/deployment.ts';
import * as keys from '../../src/schema/keys.ts';
import type {Cache} from '../../src/store/cache.ts';
import type {Op, Store} from '../../src/store/store.ts';
import {eventually} from './eventually.ts';
import {jobProcesses} from './job-processes.ts';

const PATIENCE = {timeoutMs: 20_000};

/** A database whose cache runs. */
interface DeployedIn {
  readonly store: Store;
  readonly cache: Cache;
}

/** Deployments as somebody with etcdctl sees and writes them, and the real processes that run for them. */
export class Deployed {
  readonly #database: DeployedIn;

  constructor(database: DeployedIn) {
    this.#database = database;
  }

  record(id: string): DeployRecord | undefined {
    return this.#database.cache.deployments.get(id);
  }

  state(id: string): DeploymentState | undefined {
    return this.record(id)?.state?.value;
  }

  /** One transaction, after which the cache shows what it wrote. */
  async commit(ops: readonly Op[]): Promise<void> {
    await this.#database.store.commit({compares: [], ops});
    await this.#database.cache.catchUp();
  }

  put(key: string, value: unknown): Promise<void> {
    return this.commit([{put: key, value: typeof value === 'string' ? value : JSON.stringify(value)}]);
  }

  remove(...all: readonly string[]): Promise<void> {
    return this.commit(all.map((key) => ({delete: key})));
  }

  /** Puts one that runs this shell command. */
  deploy(id: string, script: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    return this.put(keys.deployKey(id), {id, type: 'job', args: {command: ['/bin/sh', '-c', script], ...more}});
  }

  /** Processes of its newest try. */
  pids(id: string): number[] {
    const state = this.state(id);
    return jobProcesses(deploymentJobs(id), String(state?.of), openTryOf(state)?.try ?? 0);
  }

  /** Waits until it runs, and says which process it is. */
  untilRunning(id: string, isOther: (pid: number) => boolean = () => true): Promise<number> {
    return eventually(() => {
      expect(this.state(id)?.status).toBe('RUNNING');
      const [pid] = this.pids(id);
      if (pid === undefined || !isOther(pid)) throw new Error(`no such process of ${id}`);
      return pid;
    }, PATIENCE);
  }

  untilStatus(id: string, status: string): Promise<DeploymentState> {
    return eventually(() => {
      expect(this.state(id)?.status).toBe(status);
      return this.state(id) as DeploymentState;
    }, PATIENCE);
  }

  /** Waits until nothing is stored of it. */
  async untilGone(id: string): Promise<void> {
    await eventually(() => this.record(id) === undefined, PATIENCE);
  }

  /** Deletes its key and waits until nothing is stored of it. */
  async end(id: string): Promise<void> {
    await this.remove(keys.deployKey(id));
    await this.untilGone(id);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function untilEnded(pid: number): Promise<void> {
  await eventually(() => !isAlive(pid), PATIENCE);
}

/** A shell command that goes on until it is stopped. */
export const GOES_ON = 'exec sleep 600';
