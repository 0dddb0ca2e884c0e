import {execFile} from 'node:child_process';
import {chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {promisify} from 'node:util';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {whyInstall} from '../../scripts/dependencies.mjs';
import {withLock} from '../../scripts/lock.mjs';

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts');

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'scanplane-bootstrap-'));
  await mkdir(join(home, 'fakes'));
  for (const tool of ['touch', 'sleep', 'mkdir']) await symlink(join('/bin', tool), join(home, 'fakes', tool));
});

afterEach(async () => {
  await rm(home, {recursive: true, force: true});
});

async function program(folder: string, name: string, script: string): Promise<void> {
  await mkdir(join(home, folder), {recursive: true});
  await writeFile(join(home, folder, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(home, folder, name), 0o755);
}

/** Runs a line of the bootstrap's own code in a process whose home is empty and whose PATH has only the fakes of this test and what they are made of. */
async function bootstrap(code: string): Promise<{out: string; said: string}> {
  const env = {HOME: home, PATH: join(home, 'fakes'), CALLS: join(home, 'calls')};
  const script = `import {ensureEtcd} from '${SCRIPTS}/get-etcd.mjs'; import {findEtcd} from '${SCRIPTS}/etcd-binary.mjs';
    const say = (line) => console.error(line); console.log(JSON.stringify(${code} ?? null));`;
  const {stdout, stderr} = await run(process.execPath, ['--input-type=module', '-e', script], {env, cwd: home});
  return {out: stdout.trim(), said: stderr};
}

const calls = async (): Promise<string[]> => (await readFile(join(home, 'calls'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

/** apt-get and dpkg-deb that need `update` first if `lists` says so, and unpack programs that answer `--version`. */
async function fakeDebian(lists: 'filled' | 'empty'): Promise<void> {
  const known = lists === 'filled' ? 'true' : `[ -e "$HOME/updated" ] && case "$*" in *Dir::State=*) true;; *) false;; esac`;
  await program(
    'fakes',
    'apt-get',
    `echo "apt-get $*" >> "$CALLS"
     case "$*" in
       *update) touch "$HOME/updated";;
       *) { ${known}; } || { echo 'E: Unable to locate package etcd-server' >&2; exit 100; }
          sleep 0.2; touch etcd-server_1_all.deb etcd-client_1_all.deb;;
     esac`,
  );
  await program(
    'fakes',
    'dpkg-deb',
    `mkdir -p "$3/usr/bin"
     case "$2" in *server*) name=etcd;; *) name=etcdctl;; esac
     printf '#!/bin/sh\\necho 3.4.23\\n' > "$3/usr/bin/$name"`,
  );
}

test('a pair of binaries on the PATH comes before the cache folder, half a pair does not count', async () => {
  await program('fakes', 'etcd', 'exit 0');
  await program('.cache/scanplane/etcd/bin', 'etcd', 'exit 0');
  await program('.cache/scanplane/etcd/bin', 'etcdctl', 'exit 0');
  expect((await bootstrap('findEtcd()')).out).toContain('/.cache/scanplane/etcd/bin/etcd');

  await program('fakes', 'etcdctl', 'exit 0');
  expect((await bootstrap('findEtcd()')).out).toContain('/fakes/etcd');
});

test('etcd comes from Debian’s packages once, and the second time nothing is downloaded', async () => {
  await fakeDebian('filled');
  expect((await bootstrap('await ensureEtcd(say)')).out).toContain('/.cache/scanplane/etcd/bin/etcd');
  expect(await calls()).toHaveLength(1);

  const again = await bootstrap('await ensureEtcd(say)');
  expect(again.out).toContain('/.cache/scanplane/etcd/bin/etcd');
  expect(again.said).toBe('');
  expect(await calls()).toHaveLength(1);
  expect(await readdir(join(home, '.cache/scanplane/etcd'))).toEqual(['bin']);
});

test('with empty apt lists, lists are read into a folder of our own', async () => {
  await fakeDebian('empty');
  expect((await bootstrap('await ensureEtcd(say)')).out).toContain('"kind":"binary"');

  const made = await calls();
  expect(made).toHaveLength(3);
  expect(made[1]).toMatch(new RegExp(`Dir::State=${home}/.cache/scanplane/etcd/tmp-.* update$`));
});

test('two bootstraps at the same time download once, and both have etcd', async () => {
  await fakeDebian('filled');
  const both = await Promise.all([bootstrap('await ensureEtcd(say)'), bootstrap('await ensureEtcd(say)')]);

  for (const {out} of both) expect(out).toContain('"kind":"binary"');
  expect(await calls()).toHaveLength(1);
});

test('what a killed bootstrap left behind is removed, and a damaged cache is replaced', async () => {
  await fakeDebian('filled');
  await mkdir(join(home, '.cache/scanplane/etcd/tmp-killed/cache'), {recursive: true});
  await program('.cache/scanplane/etcd/bin', 'etcd', 'exit 1');

  expect((await bootstrap('await ensureEtcd(say)')).out).toContain('"kind":"binary"');
  expect(await readdir(join(home, '.cache/scanplane/etcd'))).toEqual(['bin']);
});

test('where only a Docker engine answers, etcd is a container whose image is built once', async () => {
  await program(
    'fakes',
    'docker',
    `echo "docker $1" >> "$CALLS"
     case "$1" in
       image) [ -e "$HOME/built" ];;
       build) while read -r line; do :; done; touch "$HOME/built";;
       *) echo 28.2.2;;
     esac`,
  );
  expect(JSON.parse((await bootstrap('await ensureEtcd(say)')).out)).toMatchObject({kind: 'container'});
  await bootstrap('await ensureEtcd(say)');

  expect((await calls()).filter((call) => call === 'docker build')).toHaveLength(1);
});

test('where nothing helps, one sentence says what to install', async () => {
  await program('fakes', 'apt-get', 'echo "E: Unable to locate package etcd-server" >&2; exit 100');
  const failure = await bootstrap('await ensureEtcd(say).catch((err) => err.message)');

  expect(failure.out).toContain('install it (Debian, Ubuntu: apt-get install etcd-server etcd-client');
  expect(failure.out).toContain('Unable to locate package etcd-server');
});

test('dependencies are installed when absent, cut short or other than the lock file says', async () => {
  const lock = (version: string) =>
    JSON.stringify({packages: {'': {}, 'node_modules/a': {version}, 'node_modules/mac-only': {version: '1', optional: true}}});
  const present = (packages: object) => writeFile(join(home, 'node_modules/.package-lock.json'), JSON.stringify({packages}));
  await writeFile(join(home, 'package-lock.json'), lock('1.0.0'));
  expect(whyInstall(home)).toBe('node_modules is not there');

  await program('node_modules/node/bin', 'node', 'exit 0');
  expect(whyInstall(home)).toBe('node_modules is incomplete');

  await present({'node_modules/a': {version: '1.0.0'}});
  expect(whyInstall(home)).toBeUndefined();

  await present({'node_modules/a': {version: '1.0.0'}, 'node_modules/b': {version: '1.0.0'}});
  expect(whyInstall(home)).toContain('node_modules/b');

  await writeFile(join(home, 'package-lock.json'), lock('1.0.1'));
  expect(whyInstall(home)).toContain('node_modules/a');
});

test('a lock is held by one at a time, and is free again when its holder was killed', async () => {
  const name = home;
  const holder = execFile(process.execPath, [
    '--input-type=module',
    '-e',
    `import {withLock} from '${SCRIPTS}/lock.mjs'; await withLock('${name}', () => new Promise((go) => { console.log('held'); setTimeout(go, 1e6); }));`,
  ]);
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  let waited = false;
  const mine = withLock(
    name,
    async () => 'mine',
    () => {
      waited = true;
      holder.kill('SIGKILL');
    },
  );

  expect(await mine).toBe('mine');
  expect(waited).toBe(true);
  await expect(withLock(name, () => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed');
  expect(await withLock(name, async () => 'free again')).toBe('free again');
});

test('the scripts name every npm script of package.json', async () => {
  const {scripts} = JSON.parse(await readFile(join(dirname(SCRIPTS), 'package.json'), 'utf8')) as {scripts: Record<string, string>};
  for (const [name, line] of Object.entries(scripts)) expect(line).toBe(`exec node scripts/run.mjs ${name}`);
  const usage = await run(process.execPath, [join(SCRIPTS, 'run.mjs'), 'no-such-script']).catch((err: {stderr: string}) => err);
  for (const name of Object.keys(scripts)) expect(usage.stderr).toContain(name);
});
