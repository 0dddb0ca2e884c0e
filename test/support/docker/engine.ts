import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, openSync, readFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {delimiter, join} from 'node:path';
import {must} from '../../../src/lib/assert.ts';
import {eventually} from '../eventually.ts';
import {command} from '../kubernetes/command.ts';
import {recordInit} from '../kubernetes/run-folder.ts';
import type {CommandOptions} from '../kubernetes/command.ts';
import type {RunFolder} from '../kubernetes/run-folder.ts';
import type {DockerPackages} from './packages.ts';

/**
 * `machine`: containers have no network but the machine's, so that builds reach mirrors; nothing of the machine's network is changed.
 * `own`: the engine has a network namespace with no way out, in which it may make bridges and rules.
 */
export type EngineNetwork = 'machine' | 'own';

/** A Docker engine in namespaces of its own; its data are in the run's folder. */
export interface DockerEngine {
  /** @throws CommandError with what docker said. */
  readonly docker: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** Runs docker-compose. */
  readonly compose: (args: readonly string[], options?: CommandOptions) => Promise<string>;
  /** Runs a program in the engine's network. */
  inside(program: string, args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Ends the engine and all containers, at once. */
  stop(): Promise<void>;
}

const NAMESPACES = ['--mount', '--pid', '--fork', '--mount-proc', '--propagation', 'private', '--kill-child=KILL'];

/** Starts an engine; resolves when it answers. @throws Error with the end of its log. */
export async function startDocker(run: RunFolder, packages: DockerPackages, network: EngineNetwork): Promise<DockerEngine> {
  const host = `unix://${join(run.folder, 'docker.sock')}`;
  const logFile = join(run.folder, `dockerd-${network}.log`);
  const log = openSync(logFile, 'a');
  const args = [
    ...[
      '--host',
      host,
      '--data-root',
      join(run.folder, 'data'),
      '--exec-root',
      join(run.folder, 'exec'),
      '--pidfile',
      join(run.folder, 'docker.pid'),
    ],
    ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', `/${run.cgroup}`, '--init-path', join(packages.bin, 'docker-init')],
    ...['--userland-proxy-path', join(packages.bin, 'docker-proxy')],
    ...(network === 'own' ? [] : ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']),
  ];
  await rm(join(run.folder, 'docker.pid'), {force: true}); // of an engine that was ended at once
  const script = ['bash', join(import.meta.dirname, 'enter.sh'), run.folder, packages.bin, 'dockerd', ...args];
  const namespaces = network === 'own' ? ['--net', ...NAMESPACES] : NAMESPACES;
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...script], {stdio: ['ignore', log, log]});
  closeSync(log);
  const ended = once(child, 'exit');
  const pid = must(child.pid, 'setpriv is there');
  await recordInit(run, pid);
  const env = {
    ...process.env,
    DOCKER_HOST: host,
    DOCKER_CONFIG: join(run.folder, 'docker-config'),
    PATH: [packages.bin, process.env['PATH']].join(delimiter),
  };
  const client =
    (program: string): DockerEngine['docker'] =>
    async (of, options = {}) =>
      command(join(packages.bin, program), of, {...options, env: {...env, ...options.env}});
  const docker = client('docker');
  try {
    await eventually(
      async () => {
        if (child.exitCode !== null) return true; // looked at below, with what it said
        await docker(['version'], {timeoutMs: 5000});
        return true;
      },
      {timeoutMs: 60_000, everyMs: 200},
    );
    if (child.exitCode !== null) throw new Error('it ended');
  } catch (err) {
    child.kill('SIGKILL');
    throw new Error(`the Docker engine does not start:\n${readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n')}`, {cause: err});
  }
  return {
    docker,
    compose: client('docker-compose'),
    async inside(program, of, options) {
      // The first process in there is the one child of unshare.
      const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
      return command('nsenter', ['--target', first, '--net', program, ...of], options);
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
