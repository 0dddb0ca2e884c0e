import {copyFile, mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {statSync} from 'node:fs';
import {command} from './command.ts';
import {packImage} from './image.ts';
import type {TarEntry} from './tar.ts';

const MAX_BYTES = 64 << 20;
export const PAUSE_IMAGE = 'localhost/pause:1';
export const BUSYBOX_IMAGE = 'localhost/busybox:1';

/** The image that holds a pod's namespaces: one static program. */
export async function packPause(work: string, to: string): Promise<void> {
  const folder = join(work, 'pause');
  await mkdir(folder);
  const program = join(folder, 'pause');
  await copyFile(join(import.meta.dirname, 'pause.c'), `${program}.c`);
  await command('gcc', ['-Os', '-static', '-s', '-o', program, `${program}.c`]);
  await packImage(to, {reference: PAUSE_IMAGE, layers: [[programAt('pause', program)]], config: {Entrypoint: ['/pause']}, maxBytes: MAX_BYTES});
}

/** A shell and small tools, from Debian's static busybox. */
export async function packBusybox(program: string, to: string): Promise<void> {
  const entries = [...userEntries(), ...(await busyboxEntries(program))];
  await packImage(to, {reference: BUSYBOX_IMAGE, layers: [entries], config: {Cmd: ['/bin/sh'], Env: ['PATH=/bin']}, maxBytes: MAX_BYTES});
}

/** `/bin` with a shell and small tools. */
export async function busyboxEntries(program: string): Promise<readonly TarEntry[]> {
  const applets = (await command(program, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
  return [
    {type: 'folder', path: 'bin', mode: 0o755},
    programAt('bin/busybox', program),
    ...applets.map((name): TarEntry => ({type: 'link', path: `bin/${name}`, mode: 0o777, target: 'busybox'})),
  ];
}

/** What every image with a user in it has: a `/tmp`, root, and `nonroot` with the number that images without a distribution use for it. */
export function userEntries(): readonly TarEntry[] {
  const text = (path: string, content: string): TarEntry => ({type: 'file', path, mode: 0o644, content: Buffer.from(content)});
  return [
    {type: 'folder', path: 'tmp', mode: 0o1777},
    {type: 'folder', path: 'root', mode: 0o700},
    {type: 'folder', path: 'etc', mode: 0o755},
    text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/tmp:/bin/false\n'),
    text('etc/group', 'root:x:0:\nnonroot:x:65532:\n'),
  ];
}

function programAt(path: string, from: string): TarEntry {
  return {type: 'file', path, mode: 0o755, from, size: statSync(from).size};
}
