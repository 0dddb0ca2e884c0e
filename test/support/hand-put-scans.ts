import {expect} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {NOOP} from '../../src/schema/chain.ts';
import type {Chain} from '../../src/schema/chain.ts';
import type {Job} from '../../src/schema/job.ts';
import {chainKey, jobKey, logKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import {parseJob} from '../../src/schema/job.ts';
import {parseScanState} from '../../src/schema/state.ts';
import type {ScanState} from '../../src/schema/state.ts';
import type {Store} from '../../src/store/store.ts';
import {eventually} from './eventually.ts';

const ENDED: ReadonlySet<string> = new Set(['COMPLETE', 'FAIL', 'STOPPED']);

/** One command of a chain. */
export interface HandPutCommand {
  readonly script: string;
  readonly cluster?: string;
  /** What must have completed before. */
  readonly after?: readonly string[];
}

/** Requests as an operator puts them by hand: begin → shell commands → end. */
export class HandPutScans {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Commands side by side, unless they say after which they come; on the cluster `k8s`, unless they say otherwise. */
  async put(id: string, commands: Readonly<Record<string, string | HandPutCommand>>, {retry = 0} = {}): Promise<void> {
    const noop = {type: NOOP, cluster: '', count: 1, retry: 0, sequence: 'begin'};
    const jobs: Record<string, Chain['jobs'][string]> = {begin: {...noop, name: 'begin'}, end: {...noop, name: 'end'}};
    const adjacency: Record<string, string[]> = {begin: [], end: []};
    const types: Record<string, NonNullable<Chain['types']>[string]> = {};
    for (const [name, given] of Object.entries(commands)) {
      const {script, cluster = 'k8s', after = ['begin']}: HandPutCommand = typeof given === 'string' ? {script: given} : given;
      jobs[name] = {name, type: name, cluster, count: 1, retry, sequence: 'begin'};
      types[name] = {run: {kind: 'command', command: ['/bin/sh', '-c', script]}};
      adjacency[name] ??= [];
      adjacency[name].push('end');
      for (const parent of after) (adjacency[parent] ??= []).push(name);
    }
    const chain = canonicalJson({jobs, adjacency, types, sequences: {begin: {retry: 0}}});
    await this.#store.commit({compares: [], ops: [{put: chainKey(id), value: chain}]});
    await this.#store.commit({compares: [], ops: [{put: scanKey(id), value: '{"type":"by-hand"}'}]});
  }

  async state(id: string): Promise<ScanState | undefined> {
    const key = stateKey(id);
    const stored = await this.#store.get(key);
    return stored === undefined ? undefined : parseScanState(stored.value.toString(), key);
  }

  async job(id: string, name: string): Promise<Job | undefined> {
    const key = jobKey(id, name);
    const stored = await this.#store.get(key);
    return stored === undefined ? undefined : parseJob(stored.value.toString(), key);
  }

  /** The log entry of a try, as text; empty while there is none. */
  async log(id: string, name: string, number = 1): Promise<string> {
    return (await this.#store.get(logKey(id, name, number)))?.value.toString() ?? '';
  }

  ended(id: string, timeoutMs = 150_000): Promise<ScanState> {
    return eventually(
      async () => {
        const state = await this.state(id);
        if (state === undefined || !ENDED.has(state.name)) throw new Error(`${id} has not ended: ${JSON.stringify(state)}`);
        return state;
      },
      {timeoutMs, everyMs: 100},
    );
  }

  /** Waits until the engine has told that the newest try of a job runs. */
  async running(id: string, name: string, timeoutMs = 90_000): Promise<Job> {
    return eventually(
      async () => {
        const job = await this.job(id, name);
        expect(job?.tries.at(-1)).toMatchObject({handle: expect.any(String)});
        return job as Job;
      },
      {timeoutMs, everyMs: 100},
    );
  }
}
