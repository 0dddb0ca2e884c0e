import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {chmod, mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {buffer} from 'node:stream/consumers';
import {promisify} from 'node:util';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {packImage} from '../support/kubernetes/image.ts';
import {folderEntries, tar} from '../support/kubernetes/tar.ts';
import type {TarEntry} from '../support/kubernetes/tar.ts';

const run = promisify(execFile);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'scanplane-tar-'));
});
afterEach(async () => rm(folder, {recursive: true, force: true}));

async function archive(entries: Iterable<TarEntry>): Promise<string> {
  const file = join(folder, 'out.tar');
  await writeFile(file, tar(entries));
  return file;
}

/** Unpacks by the system's tar, which complains about what it does not understand. */
async function unpack(file: string): Promise<string> {
  const into = join(folder, 'unpacked');
  await mkdir(into);
  const {stderr} = await run('tar', ['-xf', file, '-C', into]);
  expect(stderr).toBe('');
  return into;
}

test('the system’s tar unpacks what was packed: folders, files, links, modes and names of any length', async () => {
  const long = `${'folder-'.repeat(20)}é/${'file-'.repeat(30)}`;
  const source = join(folder, 'source');
  await mkdir(join(source, long, '..'), {recursive: true});
  await writeFile(join(source, long), 'x'.repeat(1000));
  await writeFile(join(source, 'tool'), Buffer.alloc(512));
  await chmod(join(source, 'tool'), 0o751);
  await symlink(`../${long}`, join(source, 'link'));
  const into = await unpack(await archive([...folderEntries(source, 'top'), {type: 'file', path: 'empty', mode: 0o644, content: Buffer.alloc(0)}]));

  expect(await readFile(join(into, 'top', long), 'utf8')).toBe('x'.repeat(1000));
  expect(await readlink(join(into, 'top', 'link'))).toBe(`../${long}`);
  const {stdout} = await run('tar', ['--numeric-owner', '-tvf', join(folder, 'out.tar')]);
  expect(stdout).toMatch(/-rwxr-x--x 0\/0 +512 .* top\/tool/);
  expect(stdout).toMatch(/-rw-r--r-- 0\/0 +0 .* empty/);
});

test('the same entries give the same bytes', async () => {
  await writeFile(join(folder, 'a'), 'content');
  const once = await buffer(tar(folderEntries(folder, '')));
  const again = await buffer(tar(folderEntries(folder, '')));
  expect(again.equals(once)).toBe(true);
});

test('a file whose size changes while it is packed is an error', async () => {
  const from = join(folder, 'a');
  await writeFile(from, 'longer than said');
  await expect(archive([{type: 'file', path: 'a', mode: 0o644, from, size: 3}])).rejects.toThrow(/changed while it was packed/);
});

test('an image names its layers by the digests of their bytes, and its configuration by its own', async () => {
  const file = join(folder, 'image.tar');
  const layer: readonly TarEntry[] = [{type: 'file', path: 'hello', mode: 0o644, content: Buffer.from('hello')}];
  await packImage(file, {reference: 'localhost/x:1', layers: [layer], config: {Cmd: ['/hello']}, maxBytes: 1 << 20});
  const into = await unpack(file);

  const [manifest] = JSON.parse(await readFile(join(into, 'manifest.json'), 'utf8')) as [{Config: string; RepoTags: string[]; Layers: string[]}];
  expect(manifest.RepoTags).toEqual(['localhost/x:1']);
  const config = await readFile(join(into, manifest.Config));
  expect(manifest.Config).toBe(`${digestOf(config)}.json`);
  const [path] = manifest.Layers as [string];
  const digest = digestOf(await readFile(join(into, path)));
  expect(JSON.parse(config.toString())).toMatchObject({os: 'linux', config: {Cmd: ['/hello']}, rootfs: {diff_ids: [`sha256:${digest}`]}});
  expect(path).toBe(`${digest}/layer.tar`);
});

test('an image above its limit is not packed', async () => {
  const layer: readonly TarEntry[] = [{type: 'file', path: 'big', mode: 0o644, content: Buffer.alloc(5000)}];
  const image = {reference: 'localhost/x:1', layers: [layer], config: {}, maxBytes: 5000};
  await expect(packImage(join(folder, 'image.tar'), image)).rejects.toThrow('the image localhost/x:1 would be larger than 5000 bytes');
});

const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
