import {constants} from 'node:fs';
import type {Stats} from 'node:fs';
import {open, readdir, realpath, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {compareText, error, warning} from './finding.ts';
import type {SpecFile} from './read-file.ts';
import type {Finding} from './spec.ts';

/** Bounds of a tree. */
const LIMITS = {fileBytes: 4 * 2 ** 20, totalBytes: 64 * 2 ** 20, files: 10_000, depth: 32};

/**
 * Reads every `*.yaml` (in any letter case) below a directory, in the order of their names. Files are named by their path below it, with `/`.
 *
 * Links are followed; a file that is reachable in two ways is read once. Names that begin with `..` are left out: there Kubernetes keeps the files that
 * the links beside them lead to. What cannot be read is a finding.
 */
export async function readSpecFiles(directory: string): Promise<{readonly files: readonly SpecFile[]; readonly findings: readonly Finding[]}> {
  const walk = new Walk(directory);
  await walk.directory('', []);
  return {files: walk.files, findings: walk.findings};
}

class Walk {
  readonly files: SpecFile[] = [];
  readonly findings: Finding[] = [];
  readonly #root: string;
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** `above`: the real paths of the directories that this one lies in. */
  async directory(name: string, above: readonly string[]): Promise<void> {
    try {
      const path = join(this.#root, name);
      const real = await realpath(path);
      if (above.includes(real)) return this.#odd(name, 'this link leads back to a directory that it lies in; it is not followed');
      if (above.length > LIMITS.depth) return this.#wrong(name, `lies deeper than ${LIMITS.depth} directories; not read`);
      if (this.#seen.has(real)) return;
      this.#seen.add(real);
      const entries = (await readdir(path)).toSorted(compareText);
      for (const entry of entries) if (!entry.startsWith('..')) await this.#entry(name === '' ? entry : `${name}/${entry}`, [...above, real]);
    } catch (err) {
      this.#wrong(name === '' ? this.#root : name, `cannot be read: ${codeOf(err)}`);
    }
  }

  async #entry(name: string, above: readonly string[]): Promise<void> {
    const isYaml = /\.yaml$/i.test(name);
    let info: Stats;
    try {
      info = await stat(join(this.#root, name));
    } catch (err) {
      return isYaml ? this.#wrong(name, `cannot be read: ${codeOf(err)}`) : this.#odd(name, `cannot be looked at: ${codeOf(err)}`);
    }
    if (info.isDirectory()) return this.directory(name, above);
    if (isYaml) await this.#file(name);
  }

  async #file(name: string): Promise<void> {
    try {
      const path = join(this.#root, name);
      const real = await realpath(path);
      if (this.#seen.has(real)) return;
      this.#seen.add(real);
      if (this.files.length >= LIMITS.files) return this.#wrong(name, `more than ${LIMITS.files} files; not read`);
      const bytes = await readBounded(path);
      if (typeof bytes === 'string') return this.#wrong(name, bytes);
      this.#bytes += bytes.length;
      if (this.#bytes > LIMITS.totalBytes) return this.#wrong(name, `more than ${LIMITS.totalBytes / 2 ** 20} MiB in all files; not read`);
      this.files.push({name, text: new TextDecoder('utf-8', {fatal: true}).decode(bytes)});
    } catch (err) {
      this.#wrong(name, err instanceof TypeError ? 'is not UTF-8 text' : `cannot be read: ${codeOf(err)}`);
    }
  }

  #wrong(file: string, message: string): void {
    this.findings.push(error({place: {file, line: 1}}, {kind: 'syntax', message}));
  }

  #odd(file: string, message: string): void {
    this.findings.push(warning({place: {file, line: 1}}, {kind: 'syntax', message}));
  }
}

/** The bytes of a regular file, or why it is not read. */
async function readBounded(path: string): Promise<Uint8Array | string> {
  // Not blocking, since a pipe may have taken the file's place.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const info = await file.stat();
    if (!info.isFile()) return 'is no regular file';
    // One byte more than may be, so that a file that grows meanwhile is noticed.
    const buffer = Buffer.alloc(Math.min(info.size, LIMITS.fileBytes) + 1);
    let length = 0;
    for (;;) {
      const {bytesRead} = await file.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (length > LIMITS.fileBytes) return `is larger than ${LIMITS.fileBytes / 2 ** 20} MiB`;
      if (length === buffer.length) return 'changed while it was read';
      if (bytesRead === 0) return buffer.subarray(0, length);
    }
  } finally {
    await file.close();
  }
}

function codeOf(err: unknown): string {
  return (err as NodeJS.ErrnoException).code ?? (err as Error).message;
}
