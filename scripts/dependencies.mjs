// Installs the dependencies when they are absent or not those of the lock file. Plain JavaScript for the system's Node 20.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {withLock} from './lock.mjs';

/**
 * Why `node_modules` cannot be used as it is; `undefined` if it can.
 *
 * npm writes `node_modules/.package-lock.json` last, so its absence also means an installation that was cut short. Packages for other platforms
 * are in the lock file and not in the folder; nothing may be the other way round.
 * @param {string} root
 * @returns {string | undefined}
 */
export function whyInstall(root) {
  const modules = join(root, 'node_modules');
  if (!existsSync(modules)) return 'node_modules is not there';
  let wanted;
  let present;
  try {
    wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    present = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')).packages;
  } catch {
    return 'node_modules is incomplete';
  }
  for (const [path, {version, integrity, optional}] of Object.entries(wanted)) {
    if (path === '') continue;
    const found = present[path];
    if (found === undefined && optional) continue;
    if (found?.version !== version || found?.integrity !== integrity) return `node_modules does not match package-lock.json (${path})`;
  }
  for (const path of Object.keys(present)) {
    if (wanted[path] === undefined) return `node_modules does not match package-lock.json (${path})`;
  }
  if (!existsSync(join(modules, 'node', 'bin', 'node'))) return 'node_modules has no Node of its own (were install scripts switched off?)';
  return undefined;
}

/**
 * @param {string} root
 * @param {(line: string) => void} say
 */
export async function ensureDependencies(root, say) {
  if (whyInstall(root) === undefined) return;
  await withLock(
    `dependencies ${root}`,
    () => install(root, say),
    () => say('Waiting: another process is installing the dependencies.'),
  );
}

async function install(root, say) {
  const why = whyInstall(root);
  if (why === undefined) return;
  say(`Running npm ci once, since ${why}.`);
  // npm's own path when npm started us; it must run on the Node that it came with.
  const npm = process.env.npm_execpath;
  const [command, ...args] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  const child = spawn(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    // `npm test --foo` would hand its own options down, and --ignore-scripts or --omit=dev would leave an installation that cannot run.
    env: {...process.env, NODE_ENV: '', npm_config_ignore_scripts: 'false', npm_config_omit: '', npm_config_dry_run: 'false'},
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('npm ci failed; what it said is above.');
  const still = whyInstall(root);
  if (still !== undefined) throw new Error(`npm ci ran, and yet ${still}.`);
}
