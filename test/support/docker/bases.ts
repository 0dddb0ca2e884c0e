import {existsSync, readFileSync} from 'node:fs';
import {cp, mkdir, realpath, symlink, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {command} from '../kubernetes/command.ts';
import type {DockerEngine} from './engine.ts';
import type {DockerPackages} from './packages.ts';

/** The names by which deploy/Dockerfile knows its bases. */
export const DEBIAN_BASE = 'debian:bookworm-slim';
export const NODE_BASE = 'node:24-bookworm-slim';

/**
 * Makes the bases of our images where none can be pulled: a bare Debian out of its packages, and that with Node, as this process runs it, and this
 * machine's npm, which trusts whom this machine trusts: a mirror may have an authority of its own. `work`: an empty folder.
 */
export async function importBases(engine: DockerEngine, packages: DockerPackages, work: string): Promise<void> {
  await engine.docker(['import', packages.debian, DEBIAN_BASE], {timeoutMs: 120_000});
  const local = join(work, 'usr', 'local');
  await mkdir(join(local, 'bin'), {recursive: true});
  await mkdir(join(local, 'lib', 'node_modules'), {recursive: true});
  await cp(await realpath(process.execPath), join(local, 'bin', 'node'));
  // npm is found by its program, which is a link to `<npm>/bin/npm-cli.js`.
  const npm = await realpath(process.env['npm_execpath'] ?? (await command('sh', ['-c', 'command -v npm'])).trim());
  await cp(dirname(dirname(npm)), join(local, 'lib', 'node_modules', 'npm'), {recursive: true, dereference: true});
  for (const name of ['npm', 'npx']) await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
  const trusted = ['/etc/ssl/certs/ca-certificates.crt', process.env['NODE_EXTRA_CA_CERTS'] ?? ''].filter((path) => existsSync(path));
  await mkdir(join(local, 'etc'));
  await writeFile(join(local, 'etc', 'authorities.pem'), trusted.map((path) => readFileSync(path, 'utf8')).join('\n'));
  await writeFile(join(work, 'Dockerfile'), `FROM ${DEBIAN_BASE}\nCOPY usr /usr\nENV NODE_EXTRA_CA_CERTS=/usr/local/etc/authorities.pem\n`);
  await engine.docker(['build', '--quiet', '--network=host', '--tag', NODE_BASE, work], {timeoutMs: 300_000});
}

/** An image of HAProxy out of Debian's package. */
export async function buildProxy(engine: DockerEngine, work: string, tag: string): Promise<void> {
  const file = join(work, 'Dockerfile');
  await mkdir(dirname(file), {recursive: true});
  const install = 'apt-get update && apt-get install --yes --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*';
  await writeFile(file, `FROM ${DEBIAN_BASE}\nRUN ${install}\n`);
  await engine.docker(['build', '--quiet', '--network=host', '--tag', tag, work], {timeoutMs: 300_000});
}
