// Every npm script starts here: `node scripts/run.mjs <name> [arguments]`. Plain JavaScript for the system's Node 20, without dependencies, since
// it may be the first command after a clone. It installs what the command needs, then runs it on this project's own Node.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {cpSync, rmSync} from 'node:fs';
import {constants} from 'node:os';
import {delimiter, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ensureDependencies} from './dependencies.mjs';
import {ensureEtcd} from './get-etcd.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What each npm script runs. `steps` run one after the other, all of them even when one fails; arguments go to the last. `etcd`: needs one;
 * `server`: and where that has to be a container, it is started here and its address handed on, since these commands know programs only.
 */
const COMMANDS = {
  demo: {etcd: true, server: true, steps: [['node', 'examples/demo/demo.ts']]},
  start: {etcd: true, server: true, steps: [['node', 'src/cli/start.ts']]},
  test: {etcd: true, steps: [['vitest', 'run', '--project', 'unit', '--project', 'etcd']]},
  'test:long': {etcd: true, steps: [['vitest', 'run', '--project', 'long']]},
  'test:docker': {etcd: true, steps: [['vitest', 'run', '--project', 'docker']]},
  'test:k8s': {etcd: true, steps: [['node', 'test/support/kubernetes/run.ts', 'vitest', 'run', '--project', 'k8s']]},
  etcdctl: {etcd: true, steps: [['etcdctl']]},
  check: {steps: [['tsc'], ['oxlint', '--type-aware', '--deny-warnings'], ['oxfmt', '--check']]},
  build: {clean: 'dist', copy: {'src/specs/skymap-scan.yaml': 'dist/specs/skymap-scan.yaml'}, steps: [['tsc', '-p', 'tsconfig.build.json']]},
  bench: {etcd: true, steps: [['node', '--expose-gc', 'bench/run.ts']]},
  format: {steps: [['oxfmt']]},
};

/** Where `npm start` has its etcd. */
const START_ENDPOINT = 'http://127.0.0.1:23790';

const say = (line) => process.stderr.write(`${line}\n`);

async function main([name = '', ...args]) {
  const command = COMMANDS[name];
  if (command === undefined) {
    say(`usage: node scripts/run.mjs ${Object.keys(COMMANDS).join('|')} [arguments]`);
    return 2;
  }
  await ensureDependencies(ROOT, say);
  const env = {...process.env, PATH: [join(ROOT, 'node_modules', '.bin'), process.env.PATH].filter(Boolean).join(delimiter)};
  if (name === 'etcdctl') {
    env.ETCDCTL_API = '3';
    env.ETCDCTL_ENDPOINTS ??= START_ENDPOINT;
  }
  let stop;
  if (command.etcd && !env.SCANPLANE_ETCD && !env.SCANPLANE_TEST_ETCD) {
    const etcd = await ensureEtcd(say);
    if (etcd.kind === 'binary') env.PATH += `${delimiter}${dirname(etcd.etcd)}`;
    if (etcd.kind === 'container' && command.server) {
      const server = startContainer(etcd.image);
      env.SCANPLANE_ETCD = server.endpoint;
      stop = server.stop;
    }
  }
  if (command.clean !== undefined) rmSync(join(ROOT, command.clean), {recursive: true, force: true});
  for (const [from, to] of Object.entries(command.copy ?? {})) cpSync(join(ROOT, from), join(ROOT, to));
  try {
    let worst = 0;
    for (const [at, step] of command.steps.entries()) {
      const last = at === command.steps.length - 1;
      const code = await exec(last ? [...step, ...args] : step, env);
      worst = Math.max(worst, code);
      if (code > 128) break; // ended by a signal: the user wants out
    }
    return worst;
  } finally {
    stop?.();
  }
}

/** Runs one program with our terminal, hands signals on, and resolves to its exit code (128 + the signal's number if one ended it). */
async function exec([program, ...args], env) {
  const child = spawn(program, args, {cwd: ROOT, stdio: 'inherit', env});
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'].map((signal) => {
    // Ctrl-C reaches the child by itself: the terminal signals the whole group. Twice would read as "now, at once".
    const handler = () => {
      if (!(process.stdin.isTTY && (signal === 'SIGINT' || signal === 'SIGQUIT'))) child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  try {
    const [code, signal] = await once(child, 'exit');
    return signal === null ? code : 128 + (constants.signals[signal] ?? 0);
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** etcd in a container that goes when we go. Its data go with it. */
function startContainer(image) {
  const name = `scanplane-etcd-${process.pid}`;
  const serve = ['etcd', '--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', 'http://127.0.0.1:2379'];
  docker('run', '--detach', '--rm', '--name', name, '--publish', '127.0.0.1::2379', image, ...serve);
  const stop = () => void spawnSync('docker', ['rm', '--force', name], {stdio: 'ignore'});
  try {
    return {endpoint: `http://${docker('port', name, '2379/tcp').split('\n')[0]}`, stop};
  } catch (err) {
    stop();
    throw err;
  }
}

function docker(...args) {
  const result = spawnSync('docker', args, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});
  if (result.status !== 0) throw new Error(`docker ${args[0]} failed: ${(result.stderr || String(result.error)).trim()}`);
  return result.stdout.trim();
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (err) {
  say(err.message);
  process.exitCode = 1;
}
