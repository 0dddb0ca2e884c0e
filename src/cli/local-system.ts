import {execFile, spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, existsSync, mkdirSync, openSync, readdirSync, rmSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {findEtcd} from '../../scripts/etcd-binary.mjs';
import {must} from '../lib/assert.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import {endLeftovers} from '../engines/process/leftovers.ts';
import {NODE_FLAGS} from './node-flags.ts';
import {freePort} from './ports.ts';
import {isAlive, readRecords, recordOf, signalProcess, writeRecords} from './process-record.ts';
import type {ProcessRecord} from './process-record.ts';

const run = promisify(execFile);
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** From SIGKILL to the end of a process. */
const KILL_DEADLINE_MS = 10_000;

export interface LocalSystemOptions {
  /** Where everything lies: etcd's data, the run directory, logs, the list of processes. */
  readonly directory: string;
  readonly etcdPort: number;
  readonly apiPort: number;
  readonly replicas: number;
  readonly workers: number;
  readonly ttlSeconds: number;
  readonly orphanAfterSeconds: number;
  /** Further variables of the scanner's processes. */
  readonly scannerEnv: readonly (readonly [string, string])[];
  /** Put before the scanner's command lines. */
  readonly wrapper?: readonly string[];
  /** Further settings of our own processes, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  /** An etcd that runs already, instead of a private one. */
  readonly etcdEndpoint?: string;
}

/**
 * A whole scanplane on this machine: a private etcd, an API and controller replicas, each a process of its own, and one cluster of local processes.
 *
 * Every process is recorded with its start time, so that whatever a killed run has left can be ended by the next one.
 */
export class LocalSystem {
  readonly etcdEndpoint: string;
  readonly address: string;
  readonly runDirectory: string;
  readonly #options: LocalSystemOptions;
  readonly #children = new Map<string, ChildProcess>();
  readonly #starts = new Map<string, () => void>();
  readonly #records: ProcessRecord[] = [];

  constructor(options: LocalSystemOptions) {
    this.#options = options;
    this.etcdEndpoint = options.etcdEndpoint ?? `http://127.0.0.1:${options.etcdPort}`;
    this.address = `http://127.0.0.1:${options.apiPort}`;
    this.runDirectory = join(options.directory, 'run');
  }

  get directory(): string {
    return this.#options.directory;
  }

  /** Every process that was started, dead ones too. */
  get allProcesses(): readonly ProcessRecord[] {
    return this.#records;
  }

  /** The recorded processes that live, by name: `etcd`, `api`, `replica-1` … */
  get processes(): readonly ProcessRecord[] {
    return this.#records.filter(isAlive);
  }

  /** Ends what an earlier run in this directory has left: its processes by pid and start time, its jobs by their records. */
  async endLeftovers(): Promise<number> {
    const file = this.#recordFile();
    const left = readRecords(file).filter(isAlive);
    for (const record of left) signalProcess(record, 'SIGKILL');
    // Until the last of them has gone its port is taken and its files are in use.
    const deadline = performance.now() + KILL_DEADLINE_MS;
    while (left.some(isAlive) && performance.now() < deadline) await sleep(10);
    const jobs = await this.#endJobs();
    rmSync(file, {force: true});
    return left.length + jobs;
  }

  async start(): Promise<void> {
    mkdirSync(this.#options.directory, {recursive: true, mode: 0o700});
    await this.#startEtcd();
    this.startProcess('api', ['api']);
    for (let n = 1; n <= this.#options.replicas; n++) this.startReplica(n);
    await this.#untilAnswers('api', `${this.address}/readyz`);
  }

  startReplica(n: number): ProcessRecord {
    return this.startProcess(`replica-${n}`, ['controllers']);
  }

  startProcess(name: string, args: readonly string[]): ProcessRecord {
    return this.#spawn(name, process.execPath, [...NODE_FLAGS, join(ROOT, 'src', 'main.ts'), ...args], this.#environment());
  }

  /** SIGKILL, as a crash would. */
  kill(pid: number): boolean {
    const record = this.#records.find((each) => each.pid === pid);
    return record !== undefined && signalProcess(record, 'SIGKILL');
  }

  /** Starts a process that has ended again, after a pause, until `signal` aborts. */
  async keepRunning(signal: AbortSignal, say: (name: string) => void): Promise<void> {
    while (!signal.aborted) {
      const children = [...this.#children];
      const ended = children.filter(([, child]) => child.exitCode !== null || child.signalCode !== null);
      for (const [name] of ended) {
        say(name);
        this.#restart(name);
      }
      if (ended.length > 0) {
        await sleep(1000, signal);
        continue;
      }
      const over = new AbortController();
      const anyExit = Promise.race(children.map(([, child]) => once(child, 'exit', {signal: over.signal}).catch(() => {})));
      await Promise.race([anyExit, once(signal, 'abort', {signal: over.signal}).catch(() => {})]);
      over.abort();
    }
  }

  /** Runs etcdctl against this system's etcd. */
  async etcdctl(args: readonly string[]): Promise<string> {
    const binaries = findEtcd();
    if (binaries === undefined) throw new ControlPlaneError('unavailable', 'etcdctl is not here');
    const env = {...process.env, ETCDCTL_API: '3'};
    return (await run(binaries.etcdctl, ['--endpoints', this.etcdEndpoint, ...args], {env})).stdout;
  }

  /** Ends all processes in order: those that lead hand over first, etcd goes last. Jobs that still run are ended too. */
  async stop(): Promise<void> {
    const order = [...this.#children.keys()].sort((a, b) => Number(a === 'etcd') - Number(b === 'etcd'));
    await Promise.all(order.filter((name) => name !== 'etcd').map((name) => this.#end(name)));
    await this.#endJobs();
    if (this.#children.has('etcd')) await this.#end('etcd');
    rmSync(this.#recordFile(), {force: true});
  }

  /** Ends the jobs of every database that this run directory has served. */
  async #endJobs(): Promise<number> {
    let ended = 0;
    const entries = existsSync(this.runDirectory) ? readdirSync(this.runDirectory, {withFileTypes: true}) : [];
    for (const entry of entries) if (entry.isDirectory()) ended += await endLeftovers(join(this.runDirectory, entry.name));
    return ended;
  }

  async #end(name: string): Promise<void> {
    const child = must(this.#children.get(name), 'a known process');
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await exited;
    clearTimeout(late);
  }

  #environment(): NodeJS.ProcessEnv {
    const {directory, apiPort, workers, ttlSeconds, orphanAfterSeconds, scannerEnv, wrapper = [], settings} = this.#options;
    // Compiled code is kept, so that a process that is started again is there in half the time.
    const cache = ['NODE_COMPILE_CACHE', join(ROOT, 'node_modules', '.cache', 'scanplane')] as const;
    const scanner = (file: string): string[] => [...wrapper, process.execPath, join(ROOT, 'examples', 'scanner', file)];
    const cluster = {
      engine: 'process',
      capacity: workers,
      settings: {scanner_server: scanner('server.ts'), worker: scanner('worker.ts'), env: [...scannerEnv, cache]},
    };
    return {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      NODE_COMPILE_CACHE: cache[1],
      SCANPLANE_CLUSTERS: JSON.stringify({local: cluster}),
      SCANPLANE_ETCD_ENDPOINTS: this.etcdEndpoint,
      SCANPLANE_API_PORT: String(apiPort),
      SCANPLANE_SCANNER_ADDRESS: this.address,
      SCANPLANE_RUN_DIRECTORY: join(directory, 'run'),
      SCANPLANE_SPECS: join(ROOT, 'examples', 'specs'),
      SCANPLANE_JOBS_MODULE: join(ROOT, 'examples', 'jobs', 'jobs.ts'),
      SCANPLANE_TTL_SECONDS: String(ttlSeconds),
      SCANPLANE_ORPHAN_AFTER_SECONDS: String(orphanAfterSeconds),
      ...settings,
    };
  }

  #restart(name: string): void {
    const again = must(this.#starts.get(name), 'a known process');
    again();
  }

  async #startEtcd(): Promise<void> {
    if (this.#options.etcdEndpoint === undefined) {
      const binaries = findEtcd();
      if (binaries === undefined) throw new ControlPlaneError('unavailable', 'etcd is not here: install Debian’s etcd-server and etcd-client');
      const peer = `http://127.0.0.1:${await freePort()}`;
      const client = this.etcdEndpoint;
      const data = join(this.#options.directory, 'etcd');
      this.#spawn(
        'etcd',
        binaries.etcd,
        [
          ...['--name', 'local', '--data-dir', data, '--listen-client-urls', client, '--advertise-client-urls', client],
          ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `local=${peer}`],
          ...['--log-level', 'warn', '--logger', 'zap'],
        ],
        {PATH: process.env['PATH'], HOME: process.env['HOME']},
      );
    }
    await this.#untilAnswers('etcd', `${this.etcdEndpoint}/health`);
  }

  #spawn(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): ProcessRecord {
    const logs = join(this.#options.directory, 'logs');
    mkdirSync(logs, {recursive: true});
    const log = openSync(join(logs, `${name}.log`), 'a');
    this.#starts.set(name, () => this.#spawn(name, command, args, env));
    // A group of its own: Ctrl-C in the terminal reaches us alone, and we end them in order.
    const child = spawn(command, args, {stdio: ['ignore', log, log], env, detached: true});
    closeSync(log);
    child.on('error', () => {}); // Seen by whoever waits for it to answer.
    const pid = child.pid;
    if (pid === undefined) throw new ControlPlaneError('unavailable', `${name} could not be started: ${command}`);
    const record = recordOf(name, pid);
    if (record === undefined) throw new ControlPlaneError('unavailable', `${name} ended at once; see its log`);
    this.#children.set(name, child);
    this.#records.push(record);
    writeRecords(this.#recordFile(), this.processes);
    return record;
  }

  async #untilAnswers(name: string, url: string): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (performance.now() < deadline) {
      const child = this.#children.get(name);
      if (child !== undefined && (child.exitCode !== null || child.signalCode !== null)) break;
      const answer = await fetch(url, {signal: AbortSignal.timeout(1000)}).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.ok === true) return;
      await sleep(25);
    }
    throw new ControlPlaneError('unavailable', `${name} did not start; see ${join(this.#options.directory, 'logs', `${name}.log`)}`);
  }

  #recordFile(): string {
    return join(this.#options.directory, 'processes.json');
  }
}
