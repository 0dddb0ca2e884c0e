import {join} from 'node:path';
import {openAuthenticator} from './api/auth/open.ts';
import {newToken} from './api/auth/token-entry.ts';
import {RequestGate} from './api/requests/gate.ts';
import {processMetrics} from './api/process-metrics.ts';
import {serveRunner} from './api/runner/serve.ts';
import type {Runner} from './api/runner/serve.ts';
import {serveApi} from './api/serve.ts';
import {lint} from './cli/lint/lint.ts';
import {requestCommand} from './cli/request/request-command.ts';
import {sdpCommand} from './cli/sdp/sdp-command.ts';
import {clusterEnvironment, inheritedEnvironment, k8sJobSettings, loadConfig, scannerAddress} from './config.ts';
import type {Config} from './config.ts';
import {ensureClusters} from './controllers/index.ts';
import {runReplica} from './controllers/replica.ts';
import type {Engine} from './engines/engine.ts';
import {openKubernetesEngine} from './engines/kubernetes/kubernetes-engine.ts';
import {openProcessEngine} from './engines/process/process-engine.ts';
import {openEwms} from './ewms/client.ts';
import {openRequests} from './jobs/open-requests.ts';
import {systemClock} from './lib/clock.ts';
import {hasCode, reasonOf} from './lib/errors.ts';
import {createLog} from './lib/log.ts';
import type {Log} from './lib/log.ts';
import {sleep} from './lib/sleep.ts';
import {randomHex} from './schema/ids.ts';
import type {RequestSpec} from './schema/scan.ts';
import type {Meta} from './schema/replica.ts';
import {ensureMeta, openDatabase} from './store/open.ts';
import type {Database} from './store/open.ts';

const USAGE = `scanplane COMMAND

  api          serves the REST API
  controllers  runs the controllers: scans, scheduler, janitor
  up           both in one process
  token NAME ROLE…
               makes a token for a tokens file, for roles user or system, or request:ROLE for a role
              of which access lists of requests speak; the token is shown once
  lint [DIR]   checks request specs; lint --help says how
  request …    starts, stops and shows requests over the REST API; see scanplane request help
  sdp …        shows and changes execution blocks, processing blocks, scripts and deployments; see scanplane sdp help

Settings come from environment variables (SCANPLANE_…) and the file named by SCANPLANE_CONFIG; see the README.
`;

const ROLES: Readonly<Record<string, {readonly api: boolean; readonly controllers: boolean}>> = {
  api: {api: true, controllers: false},
  controllers: {api: false, controllers: true},
  up: {api: true, controllers: true},
};

/** config → store → engines → controllers and API → wait for a signal. */
async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === 'request') return requestCommand(argv.slice(1));
  if (argv[0] === 'sdp') return sdpCommand(argv.slice(1));
  if (argv[0] === 'token' && argv.length >= 3) return showNewToken(argv[1] as string, argv.slice(2));
  if (argv[0] === 'lint') return lint(argv.slice(1));
  const role = ROLES[argv[0] ?? ''];
  if (role === undefined || argv.length !== 1) {
    process.stderr.write(USAGE);
    return 2;
  }
  const config = loadConfig();
  const replica = randomHex(8);
  const log = createLog(config.logLevel, {replica, pid: process.pid});
  // Before anything is waited for: a site without a lock on its door should hear of it at once.
  const authenticator = role.api ? openAuthenticator(config.auth, config.api, systemClock, log) : undefined;
  const executors = role.controllers ? openAuthenticator(config.auth, config.runner, systemClock, log) : undefined;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());

  const requests = await openRequests({...config.requests, env: inheritedEnvironment(), log});
  const database = openDatabase(config.etcd, log);
  const closing = new AbortController(); // The cache outlives the rest, so that a hand-over sees what it does.
  const watching = database.cache.run(closing.signal);
  let runner: Runner | undefined; // Outlives the controllers, so that it can say what still runs.
  try {
    const meta = await untilStarted(database, config, log, stop.signal);
    if (meta === undefined) return 0;
    const ewms = openEwms(config.ewms, systemClock, stop.signal);
    const common = {database, clock: systemClock, log, ...(ewms === undefined ? {} : {ewms})};
    const running: Promise<unknown>[] = [];
    const metrics = processMetrics(database);
    const runnerOptions = {
      metrics,
      ...{...database, clock: systemClock, log, config: config.runner, replica, authenticator: executors},
      ...{gate: new RequestGate({...config.auth, aclOf: () => []}), bodyLimitBytes: config.api.bodyLimitBytes},
      jobs: {typeOf: (type: string) => requests.jobs.typeOf(type), defaultCluster: config.requests.defaultCluster},
    };
    runner = role.controllers ? await serveRunner(runnerOptions, stop.signal) : undefined;
    const parts = {builder: requests.builder, policy: config.auth};
    if (role.api)
      running.push(serveApi({...common, config: config.api, k8sJob: k8sJobSettings(config), authenticator, requests: parts}, stop.signal));
    if (runner !== undefined) {
      const engines = openEngines(config, meta, log);
      const {builder, jobsModule} = requests;
      const chains = {
        buildChain: (id: string, {type, args}: RequestSpec) => builder.build(id, type, args),
        ...(jobsModule === undefined ? {} : {jobsModule}),
      };
      const openClusterEngine = openKubernetesEngine({clusterId: meta.cluster_id, env: clusterEnvironment(), log, clock: systemClock});
      const options = {
        ...common,
        ...chains,
        metrics,
        replica,
        engines,
        openClusterEngine,
        scannerAddress: scannerAddress(config),
        address: runner.address,
        config,
      };
      running.push(runReplica(options, stop.signal));
    }
    // One part that fails ends the other too: a process that does half its work is worse than none. The other finishes in its own way first.
    const ends = await Promise.allSettled(running.map((part) => part.finally(() => stop.abort())));
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return 0;
  } finally {
    stop.abort();
    await runner?.close();
    closing.abort();
    await watching;
    await requests.close();
    database.members.close();
  }
}

/** `token`: what its bearer has to know, and what belongs into the tokens file. */
function showNewToken(name: string, roles: readonly string[]): number {
  const {token, entry} = newToken(name, roles);
  process.stdout.write(`token  ${token}\nentry  ${JSON.stringify(entry)}\n`);
  return 0;
}

/** Waits for etcd however long it takes to come, then writes what a first start has to write. `undefined` when told to stop before. */
async function untilStarted(database: Database, config: Config, log: Log, signal: AbortSignal): Promise<Meta | undefined> {
  for (let isFirst = true; ; isFirst = false) {
    try {
      const meta = await ensureMeta(database.store);
      await ensureClusters(database.store, config.clusters);
      await database.cache.ready(signal);
      await database.cache.catchUp(signal); // The list may be older than what was just written.
      return meta;
    } catch (err) {
      if (signal.aborted) return undefined;
      if (hasCode(err, 'unsupported', 'invalid')) throw err; // What is stored is not for us: waiting would not change it.
      if (isFirst) log.warn({err}, 'waiting for etcd');
      await sleep(500, signal);
    }
  }
}

/** The engines that this process can run jobs on. */
function openEngines(config: Config, meta: Meta, log: Log): Map<string, Engine> {
  const engines = new Map<string, Engine>();
  const {runDirectory} = config.controllers;
  // One for each database: names of jobs are only unique within one.
  const root = join(runDirectory, meta.cluster_id);
  if (runDirectory !== '') engines.set('process', openProcessEngine({root, baseEnv: inheritedEnvironment(), log, clock: systemClock}));
  return engines;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (err: unknown) => {
    process.stderr.write(`scanplane: ${reasonOf(err)}\n`);
    process.exitCode = 1;
  },
);
