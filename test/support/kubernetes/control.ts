import {spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';
import {mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {get as getHttp} from 'node:http';
import {get as getHttps} from 'node:https';
import {delimiter, join} from 'node:path';
import {eventually} from '../eventually.ts';
import {command} from './command.ts';
import {component} from './components.ts';
import {endProcess, identify, isAlive} from './process-id.ts';
import type {ComponentName} from './components.ts';
import type {ProcessId} from './process-id.ts';
import type {Rig} from './rig-files.ts';

const READY_MS = 90_000;
const GRACE_MS = 15_000;

/**
 * Starts a component and resolves when it is ready; does nothing if it runs. Any process within the rig's namespaces may call it.
 *
 * @throws Error with the end of its log if it ends, or is not ready in time.
 */
export async function startComponent(rig: Rig, name: ComponentName): Promise<void> {
  const {args, readyUrl} = component(rig, name);
  let id = await runningComponent(rig, name);
  if (id === undefined) {
    await mkdir(join(rig.folder, 'logs'), {recursive: true});
    await mkdir(join(rig.folder, 'pids'), {recursive: true});
    const log = openSync(logPath(rig, name), 'a');
    const program = join(rig.build.bin, name);
    const env = {
      PATH: [rig.build.bin, process.env['PATH']].join(delimiter),
      HOME: rig.folder,
      ETCD_UNSUPPORTED_ARCH: process.arch,
      AWS_EC2_METADATA_DISABLED: 'true', // the kubelet looks for a cloud around it
    };
    // A session of its own: Ctrl-C at the terminal is for the tests, and a test may start what outlives it.
    const child = spawn(program, args, {cwd: rig.folder, env, detached: true, stdio: ['ignore', log, log]});
    child.on('error', () => {}); // no pid then, and so an error below
    child.unref();
    closeSync(log);
    id = child.pid === undefined ? undefined : identify(child.pid);
    if (id === undefined) throw new Error(`${name} did not start: ${await logTail(rig, name)}`);
    await writeFile(pidPath(rig, name), JSON.stringify(id));
  }
  const started = id;
  await eventually(
    async () => {
      if (!isAlive(started)) return; // looked at below, with what it said
      if (readyUrl !== undefined) await answers(rig, readyUrl);
      else await command(join(rig.build.bin, 'ctr'), ['version'], {timeoutMs: 5000});
    },
    {timeoutMs: READY_MS, everyMs: 100},
  ).catch(async (err: unknown) => {
    throw new Error(`${name} is not ready: ${await logTail(rig, name)}`, {cause: err});
  });
  if (!isAlive(started)) throw new Error(`${name} ended: ${await logTail(rig, name)}`);
}

/** Ends a component; resolves when it is gone. `graceMs` 0: by SIGKILL. */
export async function stopComponent(rig: Rig, name: ComponentName, graceMs: number = GRACE_MS): Promise<void> {
  const id = await runningComponent(rig, name);
  if (id !== undefined) await endProcess(id, graceMs);
  await rm(pidPath(rig, name), {force: true});
}

/** The process of a component, if it runs. */
export async function runningComponent(rig: Rig, name: ComponentName): Promise<ProcessId | undefined> {
  const text = await readFile(pidPath(rig, name), 'utf8').catch(() => 'null');
  const id = JSON.parse(text) as ProcessId | null;
  return id !== null && isAlive(id) ? id : undefined;
}

/** The last lines that a component wrote. */
export async function logTail(rig: Rig, name: ComponentName, lines = 8): Promise<string> {
  const text = await readFile(logPath(rig, name), 'utf8').catch(() => '(no log)');
  return `\n${text.trimEnd().split('\n').slice(-lines).join('\n')}`;
}

const logPath = (rig: Rig, name: string): string => join(rig.folder, 'logs', `${name}.log`);
const pidPath = (rig: Rig, name: string): string => join(rig.folder, 'pids', `${name}.json`);

/** Resolves if a GET is answered with 200. Some serve certificates that they made themselves; nothing secret is sent. */
async function answers(rig: Rig, url: string): Promise<void> {
  const ca = await readFile(join(rig.folder, 'pki', 'ca.crt'));
  const get = url.startsWith('https:') ? getHttps : getHttp;
  const isOurs = !url.includes('127.0.0.1');
  await new Promise<void>((resolve, reject) => {
    const request = get(url, {timeout: 5000, agent: false, ...(isOurs ? {ca} : {rejectUnauthorized: false})}, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else reject(new Error(`${url} answers ${response.statusCode}`));
    });
    request.on('timeout', () => request.destroy(new Error(`${url} does not answer`)));
    request.on('error', reject);
  });
}
