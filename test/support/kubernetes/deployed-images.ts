import {createHash} from 'node:crypto';
import {existsSync, readFileSync, realpathSync, statSync} from 'node:fs';
import {mkdir, mkdtemp, readdir, rename, rm, stat, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {findEtcd} from '../../../scripts/etcd-binary.mjs';
import {must} from '../../../src/lib/assert.ts';
import {busyboxEntries, userEntries} from './base-images.ts';
import {command} from './command.ts';
import {packImage} from './image.ts';
import {NODE_CONFIG, nodeEntries, productionModules, programEntries} from './node-image.ts';
import {rigCacheDir} from './recipe.ts';
import {folderEntries} from './tar.ts';
import type {TarEntry} from './tar.ts';

/**
 * The images that `deploy/Dockerfile` builds, packed without a Docker engine: the same files under the same paths with the same user and commands. The
 * base differs: what there is a Debian is here the programs with their libraries, and Node is at `/usr/bin/node`.
 */
export const DEPLOYED_IMAGES = {
  scanplane: 'localhost/scanplane:deployed',
  /** scanplane with the reference scanner. */
  scanner: 'localhost/scanplane-scanner:deployed',
  /** etcd and etcdctl, and a shell with small tools. */
  etcd: 'localhost/scanplane-etcd:deployed',
} as const;
export type DeployedImage = keyof typeof DEPLOYED_IMAGES;

const ROOT = join(import.meta.dirname, '..', '..', '..');
const MAX_BYTES = 400 << 20;
/** Raised when the same sources are packed in another way. */
const LAYOUT = 1;
/** An archive is 200 MB, and every change of the sources makes another one. */
const KEEP_UNUSED_MS = 6 * 3600 * 1000;

/**
 * The archive of an image, out of the cache or packed into it. `busybox`: the static program.
 *
 * An archive appears by a rename, so what is there is whole; two processes that pack the same one do it twice.
 *
 * @throws CommandError if the sources do not compile.
 */
export async function deployedArchive(name: DeployedImage, busybox: string): Promise<string> {
  const images = join(rigCacheDir(), 'images');
  await mkdir(images, {recursive: true});
  const archive = join(images, `${name}-${digestOf(name, busybox)}.tar`);
  if (!existsSync(archive)) {
    await removeOld(images);
    const work = await mkdtemp(join(images, 'tmp-'));
    try {
      const part = join(work, 'image.tar');
      await (name === 'etcd' ? packEtcd(part, busybox) : packScanplane(name, part, work));
      await rename(part, archive);
    } finally {
      await rm(work, {recursive: true, force: true});
    }
  }
  const now = new Date();
  await utimes(archive, now, now);
  return archive;
}

async function removeOld(images: string): Promise<void> {
  for (const name of await readdir(images)) {
    const path = join(images, name);
    const {mtimeMs} = await stat(path).catch(() => ({mtimeMs: Infinity})); // somebody else removed it
    if (mtimeMs < Date.now() - KEEP_UNUSED_MS) await rm(path, {recursive: true, force: true});
  }
}

/** Names the content: of our own files their bytes, of programs and libraries what tells their versions apart. */
function digestOf(name: DeployedImage, busybox: string): string {
  const hash = createHash('sha256').update(JSON.stringify([LAYOUT, DEPLOYED_IMAGES[name]]));
  const addProgram = (path: string): void => {
    const {size, mtimeMs} = statSync(path);
    hash.update(JSON.stringify([realpathSync(path), size, mtimeMs]));
  };
  if (name === 'etcd') {
    for (const path of [...Object.values(etcdPrograms()), busybox]) addProgram(path);
  } else {
    addProgram(process.execPath);
    for (const file of ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']) hash.update(readFileSync(join(ROOT, file)));
    for (const folder of name === 'scanner' ? ['src', ...SCANNER_FOLDERS] : ['src']) {
      for (const entry of folderEntries(join(ROOT, folder), folder)) {
        hash.update(JSON.stringify([entry.path, entry.mode]));
        if ('from' in entry) hash.update(readFileSync(entry.from));
      }
    }
  }
  return hash.digest('hex').slice(0, 16);
}

const SCANNER_FOLDERS = ['examples/scanner', 'examples/events'] as const;

async function packScanplane(name: 'scanplane' | 'scanner', to: string, work: string): Promise<void> {
  const dist = join(work, 'dist');
  await command(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', join(ROOT, 'tsconfig.build.json'), '--outDir', dist]);
  const built = [...builtEntries(dist)];
  const examples = name === 'scanner' ? [[...scannerEntries()]] : [];
  await packImage(to, {
    reference: DEPLOYED_IMAGES[name],
    layers: [await nodeEntries(), [...productionModules()], built, ...examples],
    config: {...NODE_CONFIG, Entrypoint: ['node', '/app/dist/main.js'], Cmd: ['up'], StopSignal: 'SIGTERM'},
    maxBytes: MAX_BYTES,
  });
}

/** What the compiler made of `src`, with the files of `src` that it does not read, as `npm run build` puts them together. */
function* builtEntries(dist: string): Generator<TarEntry> {
  yield {type: 'folder', path: 'app', mode: 0o755};
  yield {type: 'file', path: 'app/package.json', mode: 0o644, content: readFileSync(join(ROOT, 'package.json'))};
  yield {type: 'folder', path: 'app/dist', mode: 0o755};
  yield* folderEntries(dist, 'app/dist');
  for (const entry of folderEntries(join(ROOT, 'src'), 'app/dist')) if (entry.type === 'file' && !entry.path.endsWith('.ts')) yield entry;
}

function* scannerEntries(): Generator<TarEntry> {
  yield {type: 'folder', path: 'app', mode: 0o755};
  yield {type: 'folder', path: 'app/examples', mode: 0o755};
  for (const folder of SCANNER_FOLDERS) {
    yield {type: 'folder', path: `app/${folder}`, mode: 0o755};
    yield* folderEntries(join(ROOT, folder), `app/${folder}`);
  }
}

const etcdPrograms = (): {readonly etcd: string; readonly etcdctl: string} => must(findEtcd(), 'npm run test:k8s makes sure that there is an etcd');

async function packEtcd(to: string, busybox: string): Promise<void> {
  const {etcd, etcdctl} = etcdPrograms();
  const programs = [
    {type: 'folder', path: 'usr/bin', mode: 0o755} as const,
    ...(await programEntries('usr/bin/etcd', etcd)),
    ...(await programEntries('usr/bin/etcdctl', etcdctl)),
  ];
  // Libraries that both name are there once.
  const entries = new Map(programs.map((entry) => [entry.path, entry]));
  await packImage(to, {
    reference: DEPLOYED_IMAGES.etcd,
    layers: [[...userEntries(), ...(await busyboxEntries(busybox))], [...entries.values()]],
    config: {
      Env: ['PATH=/usr/bin:/bin', 'ETCDCTL_API=3', 'HOME=/tmp'],
      User: '65532:65532',
      Cmd: ['etcd'],
      StopSignal: 'SIGTERM',
    },
    maxBytes: MAX_BYTES,
  });
}
