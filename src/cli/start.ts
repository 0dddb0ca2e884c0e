import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ControlPlaneError, reasonOf} from '../lib/errors.ts';
import {readArguments, wholeNumber} from './arguments.ts';
import type {Parsed} from './arguments.ts';
import {LocalSystem} from './local-system.ts';
import {isTaken} from './ports.ts';
import {Terminal} from './terminal.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const OPTIONS = {
  port: {type: 'string', help: 'port of the REST API on loopback', default: '8080'},
  'etcd-port': {type: 'string', help: 'port of the private etcd on loopback', default: '23790'},
  replicas: {type: 'string', help: 'controller replicas', default: '2'},
  workers: {type: 'string', help: 'worker slots of the local cluster', default: '4'},
  specs: {type: 'string', help: 'directory of request specs', default: 'examples/specs'},
  'jobs-module': {type: 'string', help: 'module of job classes', default: 'examples/jobs/jobs.ts'},
} as const;

/** A path of an option; npm runs its scripts in the project's folder. */
function path(options: Parsed, name: string): string {
  return resolve(ROOT, String(options[name]));
}

/** `npm start`: the whole system on this machine until interrupted. Data stay in `.scanplane/start`; a process that ends is started again. */
async function main(argv: readonly string[]): Promise<number> {
  const options = readArguments('npm start -- [options]\n\nRuns etcd, the API and controllers on this machine until interrupted.', OPTIONS, argv);
  if (options === undefined) return 0;
  const apiPort = wholeNumber(options, 'port', 1);
  const etcdPort = wholeNumber(options, 'etcd-port', 1);
  const given = process.env['SCANPLANE_ETCD'];
  const out = new Terminal();
  const system = new LocalSystem({
    directory: join(ROOT, '.scanplane', 'start'),
    etcdPort,
    apiPort,
    replicas: wholeNumber(options, 'replicas', 1),
    workers: wholeNumber(options, 'workers', 1),
    ttlSeconds: 5,
    orphanAfterSeconds: 600,
    scannerEnv: [],
    settings: {SCANPLANE_SPECS: path(options, 'specs'), SCANPLANE_JOBS_MODULE: path(options, 'jobs-module')},
    ...(given === undefined ? {} : {etcdEndpoint: given}),
  });
  await system.endLeftovers();
  for (const [name, port] of given === undefined
    ? ([
        ['etcd-port', etcdPort],
        ['port', apiPort],
      ] as const)
    : ([['port', apiPort]] as const)) {
    if (await isTaken(port)) throw new ControlPlaneError('unavailable', `port ${port} is in use; choose another with --${name}`);
  }
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  try {
    await system.start();
    out.say(`REST API   ${system.address}/v2   (try ${system.address}/readyz)`);
    out.say(`etcd       ${system.etcdEndpoint}   (npm run -s etcdctl -- get --prefix /scan/)`);
    out.say(`data       ${system.directory}`);
    out.say('Ctrl-C stops everything and keeps the data.');
    await system.keepRunning(stop.signal, (name) => out.say(`${name} ended; starting it again`));
    return 0;
  } finally {
    out.say('stopping');
    await system.stop();
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (err: unknown) => {
    process.stderr.write(`${reasonOf(err)}\n`);
    process.exitCode = 1;
  },
);
