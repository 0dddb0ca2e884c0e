import {existsSync, readFileSync, realpathSync, statSync} from 'node:fs';
import {basename, join} from 'node:path';
import {userEntries} from './base-images.ts';
import {CommandError, command} from './command.ts';
import {packImage} from './image.ts';
import {folderEntries} from './tar.ts';
import type {TarEntry} from './tar.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const MAX_BYTES = 400 << 20;

/** This project on Node: the image that jobs and scanplane itself run from. */
export const NODE_IMAGE = 'localhost/scanplane:test';

/**
 * Packs Node, as this process runs it, and under `/app` the project: `src`, `examples` and the dependencies of production.
 *
 * @throws Error above 400 MiB.
 */
export async function packNodeImage(to: string): Promise<void> {
  await packImage(to, {
    reference: NODE_IMAGE,
    layers: [await nodeEntries(), [...productionModules()], projectEntries()],
    config: {...NODE_CONFIG, Entrypoint: ['node']},
    maxBytes: MAX_BYTES,
  });
}

/** How a program of this project runs in an image. */
export const NODE_CONFIG = {
  Env: ['PATH=/usr/bin', 'NODE_ENV=production', 'HOME=/tmp'],
  WorkingDir: '/app',
  User: '65532:65532',
} as const;

/** Node, as this process runs it, and the users that every image has. */
export async function nodeEntries(): Promise<readonly TarEntry[]> {
  return [...userEntries(), {type: 'folder', path: 'usr/bin', mode: 0o755}, ...(await programEntries('usr/bin/node', process.execPath))];
}

/** A program with the shared libraries that it names, each where the loader looks for it. */
export async function programEntries(path: string, from: string): Promise<readonly TarEntry[]> {
  const listed = await command('ldd', [from]).catch((err: unknown) => {
    if (err instanceof CommandError && err.code === 1) return ''; // it is linked statically
    throw err;
  });
  // `name => /path (address)`, and the loader itself as `/path (address)`.
  const libraries = listed.split('\n').flatMap((line) => /(?:=>\s+|^\s+)(\/\S+) \(0x/.exec(line)?.[1] ?? []);
  return [from, ...libraries].map((file, at): TarEntry => ({
    type: 'file',
    path: at === 0 ? path : file.slice(1),
    mode: 0o755,
    from: realpathSync(file),
    size: statSync(file).size,
  }));
}

function* projectEntries(): Generator<TarEntry> {
  for (const folder of ['src', 'examples']) {
    yield {type: 'folder', path: `app/${folder}`, mode: 0o755};
    yield* folderEntries(join(ROOT, folder), `app/${folder}`, (path) => basename(path) === 'node_modules');
  }
  yield {type: 'file', path: 'app/package.json', mode: 0o644, content: readFileSync(join(ROOT, 'package.json'))};
}

interface LockFile {
  readonly packages: Readonly<Record<string, {readonly dev?: boolean; readonly devOptional?: boolean}>>;
}

/** What `npm ci --omit=dev` would leave, out of what is installed: packages that are not marked as needed by development only. */
export function* productionModules(): Generator<TarEntry> {
  const {packages} = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as LockFile;
  yield {type: 'folder', path: 'app', mode: 0o755};
  yield {type: 'folder', path: 'app/node_modules', mode: 0o755};
  for (const [path, {dev, devOptional}] of Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const from = join(ROOT, path);
    if (path === '' || dev || devOptional || !existsSync(from)) continue; // optional ones for other platforms are not here
    yield {type: 'folder', path: `app/${path}`, mode: 0o755};
    // Nested packages have lines of their own.
    yield* folderEntries(from, `app/${path}`, (inner) => basename(inner) === 'node_modules');
  }
}
