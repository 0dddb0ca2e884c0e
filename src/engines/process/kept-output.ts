import {closeSync, constants, fstatSync, openSync, readSync, readdirSync, unlinkSync, writeSync} from 'node:fs';
import {basename, dirname} from 'node:path';

/**
 * The first and the last half of a stream that may never end.
 *
 * Shape: files `<path>.0`, `<path>.1`, … of half the limit each, of which the first and the last two exist: at most one and a half times the
 * limit on disk, nothing in memory, and all of it readable while the stream goes on and after its writer was killed.
 * Imports nothing but `node:`, for the supervisor's fast start.
 */
export class KeptOutput {
  private readonly path: string;
  private readonly segmentBytes: number;
  private segment = -1;
  private room = 0;
  private file: number | undefined;

  /** `limitBytes`: how much of the stream {@link readKeptOutput} gives back at most. */
  constructor(path: string, limitBytes: number) {
    this.path = path;
    this.segmentBytes = Math.floor(limitBytes / 2);
  }

  /** Never throws: a full disk costs output, not the job. */
  write(chunk: Buffer): void {
    if (this.segmentBytes === 0) return;
    let offset = 0;
    try {
      while (offset < chunk.length) {
        if (this.file === undefined || this.room === 0) this.nextSegment();
        const length = Math.min(chunk.length - offset, this.room);
        const written = writeSync(this.file as number, chunk, offset, length);
        offset += written;
        this.room -= written;
      }
    } catch {
      // The rest of this chunk is lost; the next one tries again.
    }
  }

  end(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }

  private nextSegment(): void {
    this.end();
    this.file = openSync(`${this.path}.${this.segment + 1}`, 'w', 0o600);
    this.segment++;
    this.room = this.segmentBytes;
    if (this.segment >= 3) unlinkSync(`${this.path}.${this.segment - 2}`);
  }
}

/** What {@link KeptOutput} kept at `path`, as text; where something was dropped, one line says how much. Empty when nothing was written. */
export function readKeptOutput(path: string): string {
  for (let attempt = 0; ; attempt++) {
    try {
      return compose(path);
    } catch (err) {
      // The writer went on to its next segment between our listing and our reading.
      if (attempt === 5 || (err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
    }
  }
}

function compose(path: string): string {
  const prefix = `${basename(path)}.`;
  const segments = listIfThere(dirname(path))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
  const last = segments.at(-1);
  if (last === undefined) return '';
  const read = (segment: number): Buffer => readSegment(`${path}.${segment}`);
  const head = read(0);
  if (last === 0) return head.toString();
  if (last === 1) return Buffer.concat([head, read(1)]).toString();
  // Only a full segment is followed by another, so the first one's size is everyone's.
  const size = head.length;
  const end = Buffer.concat([read(last - 1), read(last)]);
  const tail = end.subarray(Math.max(0, end.length - size));
  const dropped = (last - 1) * size + end.length - size - tail.length;
  return dropped <= 0 ? Buffer.concat([head, tail]).toString() : `${head.toString()}\n[${dropped} bytes dropped here]\n${tail.toString()}`;
}

/** A job may have put anything in the place of a segment: a pipe nobody writes to is not waited for, a link not followed, and no more than this read. */
const LARGEST_SEGMENT_BYTES = 64 * 1024 * 1024;

function readSegment(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return Buffer.alloc(0);
    const bytes = Buffer.alloc(Math.min(stats.size, LARGEST_SEGMENT_BYTES));
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}

function listIfThere(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw err;
  }
}
