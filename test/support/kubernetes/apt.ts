import {mkdir, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {command} from './command.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const MINUTE_MS = 60_000;

/** Debian's packages of one suite, read through apt with a configuration, lists and a cache of its own: the system's apt sees nothing of it. */
export interface PrivateApt {
  /** Unpacks packages, without their dependencies, into a folder. */
  unpack(packages: readonly string[], into: string): Promise<void>;
  /** Unpacks the source of a package, with Debian's patches, into a folder that must not be there. */
  unpackSource(name: string, into: string): Promise<void>;
}

/**
 * Reads the lists of one suite from the mirror that this machine's apt uses (`SCANPLANE_DEBIAN_MIRROR` names another one).
 *
 * @throws Error if this machine's apt names no mirror; CommandError if apt cannot read from it.
 */
export async function openApt(work: string, suite: string): Promise<PrivateApt> {
  const mirror = await debianMirror();
  const folder = join(work, 'apt');
  for (const name of ['lists/partial', 'cache/archives/partial', 'downloads', 'sources']) await mkdir(join(folder, name), {recursive: true});
  const source = `[signed-by=${KEYRING}] ${mirror} ${suite} main\n`;
  await writeFile(join(folder, 'sources.list'), `deb ${source}deb-src ${source}`);
  const config = join(folder, 'apt.conf');
  const settings = [
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    'Dir::Etc::sourceparts "/dev/null";',
    'Dir::Etc::preferencesparts "/dev/null";',
    `Dir::State::lists "${folder}/lists";`,
    `Dir::Cache "${folder}/cache";`,
    // Hooks of the system (images clean apt's folders by them) would change something outside; the sandbox user cannot enter our folder.
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    'Acquire::Retries "2";',
  ];
  await writeFile(config, `${settings.join('\n')}\n`);
  const env = {...process.env, APT_CONFIG: config};
  const apt = async (args: readonly string[], cwd: string): Promise<string> =>
    command('apt-get', ['-qq', ...args], {cwd, env, timeoutMs: 10 * MINUTE_MS});
  await apt(['update'], folder);
  return {
    async unpack(packages, into) {
      const downloads = join(folder, 'downloads');
      await apt(['download', ...packages], downloads);
      const files = await readdir(downloads);
      for (const name of packages) {
        const file = files.find((candidate) => candidate.startsWith(`${name}_`));
        if (file === undefined) throw new Error(`apt-get download left no file of ${name}`);
        await command('dpkg-deb', ['-x', join(downloads, file), into]);
      }
    },
    async unpackSource(name, into) {
      const sources = join(folder, 'sources');
      await apt(['source', '--download-only', name], sources);
      const description = (await readdir(sources)).find((file) => file.startsWith(`${name}_`) && file.endsWith('.dsc'));
      if (description === undefined) throw new Error(`apt-get source left no description of ${name}`);
      // apt has compared the digests with the signed lists.
      await command('dpkg-source', ['--no-check', '-x', description, into], {cwd: sources});
    },
  };
}

/** `SCANPLANE_DEBIAN_MIRROR`, else the mirror that this machine's apt uses. @throws Error if it names none. */
export async function debianMirror(): Promise<string> {
  const given = process.env['SCANPLANE_DEBIAN_MIRROR'];
  if (given) return given;
  const listed = await command('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Component: main']);
  const mirror = listed.split('\n')[0]?.trim();
  if (!mirror) throw new Error("this machine's apt names no mirror of Debian; set SCANPLANE_DEBIAN_MIRROR");
  return mirror;
}
