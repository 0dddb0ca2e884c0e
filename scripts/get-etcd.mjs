// Gets etcd without installing it. Plain JavaScript for the system's Node 20.
import {execFile} from 'node:child_process';
import {chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {promisify} from 'node:util';
import {etcdCacheDir, findEtcd} from './etcd-binary.mjs';
import {withLock} from './lock.mjs';

const run = promisify(execFile);
const MINUTE_MS = 60_000;

/** The container image that stands in where no binary can be had: Debian's etcd, built here, once. */
export const ETCD_IMAGE = 'scanplane-etcd';
const DOCKERFILE = `FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends etcd-server etcd-client && rm -rf /var/lib/apt/lists/*
`;

export const HOW_TO_GET_ETCD =
  'etcd is not here and could not be got: install it (Debian, Ubuntu: apt-get install etcd-server etcd-client; elsewhere: put etcd and etcdctl on the PATH), or start a Docker engine.';

/**
 * Makes sure that there is an etcd: a binary on the PATH or in the cache folder, else Debian's packages unpacked into the cache folder, else a Docker engine.
 *
 * @param {(line: string) => void} say
 * @returns {Promise<{kind: 'binary', etcd: string, etcdctl: string} | {kind: 'container', image: string}>}
 */
export async function ensureEtcd(say) {
  const here = findEtcd();
  if (here !== undefined) return {kind: 'binary', ...here};
  const reasons = [];
  try {
    await withLock(
      `etcd ${etcdCacheDir()}`,
      () => unpackDebian(say),
      () => say('Waiting: another process is getting etcd.'),
    );
    const got = findEtcd();
    if (got !== undefined) return {kind: 'binary', ...got};
  } catch (err) {
    reasons.push(`Debian's packages: ${lastLine(err)}`);
  }
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], {timeout: 10_000});
    await ensureImage(say);
    say(`Using etcd in a container (${ETCD_IMAGE}), since ${reasons.join('; ') || 'no binary was found'}.`);
    return {kind: 'container', image: ETCD_IMAGE};
  } catch (err) {
    reasons.push(`Docker: ${lastLine(err)}`);
  }
  throw new Error(`${HOW_TO_GET_ETCD} (${reasons.join('; ')})`);
}

/** Downloads etcd-server and etcd-client by apt and unpacks their two programs. Changes nothing outside the cache folder. */
async function unpackDebian(say) {
  if (findEtcd() !== undefined) return; // got by whoever held the lock before us
  const target = etcdCacheDir();
  const parent = dirname(target);
  mkdirSync(parent, {recursive: true});
  // We hold the lock, so what is left here belongs to a run that was killed.
  for (const name of readdirSync(parent)) if (name.startsWith('tmp-')) rmSync(join(parent, name), {recursive: true, force: true});
  const work = mkdtempSync(join(parent, 'tmp-'));
  try {
    say(`Getting etcd from Debian's packages, once, into ${parent} (nothing is installed) …`);
    await download(work, say);
    const unpacked = join(work, 'unpacked');
    for (const name of readdirSync(work)) {
      if (name.endsWith('.deb')) await run('dpkg-deb', ['-x', join(work, name), unpacked], {timeout: MINUTE_MS});
    }
    const bin = join(work, 'bin');
    mkdirSync(bin);
    for (const program of ['etcd', 'etcdctl']) {
      renameSync(join(unpacked, 'usr', 'bin', program), join(bin, program));
      chmodSync(join(bin, program), 0o755);
    }
    await run(join(bin, 'etcd'), ['--version'], {timeout: MINUTE_MS, env: {...process.env, ETCD_UNSUPPORTED_ARCH: process.arch}});
    rmSync(target, {recursive: true, force: true}); // incomplete, else we would not be here
    renameSync(bin, target);
    say(`Got etcd.`);
  } finally {
    rmSync(work, {recursive: true, force: true});
  }
}

async function download(work, say) {
  const state = join(work, 'state');
  const cache = join(work, 'cache');
  mkdirSync(join(state, 'lists', 'partial'), {recursive: true});
  mkdirSync(join(cache, 'archives', 'partial'), {recursive: true});
  // Hooks of the system (images clean apt's folders by them) would change something outside; the sandbox user cannot enter our folder.
  const config = join(work, 'apt.conf');
  const settings = [
    `Dir::Cache "${cache}";`,
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
    'Acquire::http::Timeout "30";',
    'Acquire::https::Timeout "30";',
  ];
  writeFileSync(config, settings.join('\n'));
  const privateLists = ['-o', `Dir::State=${state}`, '-o', `Dir::State::lists=${join(state, 'lists')}/`];
  const fetch = (options) =>
    run('apt-get', ['-c', config, ...options, '-q', 'download', 'etcd-server', 'etcd-client'], {cwd: work, timeout: 5 * MINUTE_MS});
  try {
    await fetch([]);
  } catch (err) {
    if (err?.code === 'ENOENT') throw new Error('there is no apt-get here', {cause: err});
    // Empty or outdated lists: fetch lists of our own. A source that fails matters only if the packages are not found then.
    say("apt's lists are empty or old here: reading Debian's lists into a folder of our own …");
    await run('apt-get', ['-c', config, ...privateLists, '-q', 'update'], {cwd: work, timeout: 5 * MINUTE_MS, maxBuffer: 1 << 26}).catch(() => {});
    await fetch(privateLists);
  }
}

/** Builds the image unless it is there. */
async function ensureImage(say) {
  const isThere = await run('docker', ['image', 'inspect', ETCD_IMAGE], {timeout: MINUTE_MS}).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  say(`Building the container image ${ETCD_IMAGE}, once …`);
  const build = run('docker', ['build', '--quiet', '--tag', ETCD_IMAGE, '-'], {timeout: 10 * MINUTE_MS});
  build.child.stdin.end(DOCKERFILE);
  await build;
}

/** The most telling line of a failed command. */
function lastLine(err) {
  if (err?.code === 'ENOENT') return `${err.path} is not there`;
  const text = (err?.stderr || err?.message || String(err)).trim();
  return text.split('\n').findLast((line) => /^(E|error|Error|Cannot)/.test(line)) ?? text.split('\n').at(-1) ?? '';
}
