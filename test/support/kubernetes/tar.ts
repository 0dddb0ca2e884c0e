import {createReadStream, lstatSync, readdirSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';

/** One member of an archive. `path` has no leading slash; `mode` is the permission bits. Everything belongs to root and has no time. */
export type TarEntry = {readonly path: string; readonly mode: number} & (
  | {readonly type: 'folder'}
  | {readonly type: 'link'; readonly target: string}
  | {readonly type: 'file'; readonly content: Buffer}
  | {readonly type: 'file'; readonly from: string; readonly size: number}
);

const BLOCK = 512;
const TYPE_FLAG = {file: '0', link: '2', folder: '5', pax: 'x'} as const;

/**
 * A POSIX tar archive, as a stream of bytes. The same entries give the same bytes, so that a digest of them names the content.
 *
 * @throws Error if a file has changed its size since it was listed.
 * @see https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06 ustar, and the extended header for names above 100 bytes
 */
export async function* tar(entries: Iterable<TarEntry>): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    const path = entry.type === 'folder' ? `${entry.path}/` : entry.path;
    const target = entry.type === 'link' ? entry.target : '';
    const long = [...(tooLong(path) ? [['path', path] as const] : []), ...(tooLong(target) ? [['linkpath', target] as const] : [])];
    if (long.length > 0) {
      const records = Buffer.from(long.map(([key, value]) => paxRecord(key, value)).join(''));
      yield header({path: 'pax', mode: 0o644, size: records.length, flag: TYPE_FLAG.pax, target: ''});
      yield padded(records);
    }
    const size = entry.type !== 'file' ? 0 : 'content' in entry ? entry.content.length : entry.size;
    yield header({path, mode: entry.mode, size, flag: TYPE_FLAG[entry.type], target});
    if (entry.type !== 'file') continue;
    if ('content' in entry) {
      yield padded(entry.content);
      continue;
    }
    let read = 0;
    for await (const chunk of createReadStream(entry.from, {highWaterMark: 1 << 20}) as AsyncIterable<Buffer>) {
      read += chunk.length;
      yield chunk;
    }
    if (read !== entry.size) throw new Error(`${entry.from} changed while it was packed`);
    yield Buffer.alloc(padding(read));
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** What is in a folder, as entries under `as` (`''`: at the top), in the order of names. Symbolic links stay links; sockets and devices are left out. */
export function* folderEntries(folder: string, as: string, skips: (path: string) => boolean = () => false): Generator<TarEntry> {
  for (const name of readdirSync(folder).toSorted()) {
    const from = join(folder, name);
    const path = as === '' ? name : `${as}/${name}`;
    if (skips(from)) continue;
    const stat = lstatSync(from);
    const mode = stat.mode & 0o7777;
    if (stat.isSymbolicLink()) yield {type: 'link', path, mode: 0o777, target: readlinkSync(from)};
    else if (stat.isFile()) yield {type: 'file', path, mode, from, size: stat.size};
    else if (stat.isDirectory()) {
      yield {type: 'folder', path, mode};
      yield* folderEntries(from, path, skips);
    }
  }
}

function header(of: {readonly path: string; readonly mode: number; readonly size: number; readonly flag: string; readonly target: string}): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void =>
    void block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length, 'latin1');
  block.write(of.path, 0, 100, 'utf8');
  octal(of.mode, 100, 8);
  octal(0, 108, 8); // owner
  octal(0, 116, 8); // group
  octal(of.size, 124, 12);
  octal(0, 136, 12); // time
  block.write('        ', 148, 8, 'latin1'); // the checksum counts as blanks in its own sum
  block.write(of.flag, 156, 1, 'latin1');
  block.write(of.target, 157, 100, 'utf8');
  block.write('ustar\x0000root', 257, 12, 'latin1');
  block.write('root', 297, 4, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8, 'latin1');
  return block;
}

const tooLong = (text: string): boolean => Buffer.byteLength(text) > 100;

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (String(length).length !== String(bytes).length) length = bytes + String(length).length;
  return `${length}${rest}`;
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
const padded = (content: Buffer): Buffer => Buffer.concat([content, Buffer.alloc(padding(content.length))]);
