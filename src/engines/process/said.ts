import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {isJsonObject, parsePlainJson} from '../../lib/plain-json.ts';
import {DATA_BYTES, outcomeOf} from '../../schema/job-outcome.ts';
import type {JobSaid} from '../engine.ts';
import type {OwnFile} from './run-directory.ts';

const KIB = 1024;
const LIMITS = {status: 4 * KIB, endpoint: KIB, data: DATA_BYTES, outcome: 32 * KIB} as const satisfies Partial<Record<OwnFile, number>>;

/** Reads what a job left in its own files. What it wrote while it runs may be half of something: data and outcome are read once it `hasEnded`. */
export function readSaid(pathOf: (file: OwnFile) => string, hasEnded: boolean): JobSaid {
  const problems: string[] = [];
  const status = tryTo(problems, 'status', () => readText(pathOf('status'), LIMITS.status));
  const endpoint = tryTo(problems, 'endpoint', () => readText(pathOf('endpoint'), LIMITS.endpoint));
  const data = hasEnded ? tryTo(problems, 'data', () => readObject(pathOf('data'), LIMITS.data)) : undefined;
  const outcome = hasEnded
    ? tryTo(problems, 'outcome', () => {
        const said = readObject(pathOf('outcome'), LIMITS.outcome);
        return said === undefined ? undefined : outcomeOf(said['state'], said['exit'], said['error']);
      })
    : undefined;
  return {
    ...(status === undefined ? {} : {status}),
    ...(endpoint === undefined ? {} : {endpoint}),
    ...(data === undefined ? {} : {data}),
    ...(outcome === undefined ? {} : {outcome}),
    ...(problems.length === 0 || !hasEnded ? {} : {problem: problems.join('; ')}),
  };
}

/** Runs one reading. That a file cannot be used is an answer, and no error of ours. */
function tryTo<T>(problems: string[], what: string, read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (err) {
    const {code, message} = err as NodeJS.ErrnoException;
    problems.push(`the ${what} that it left cannot be used: ${code === undefined ? message : (WORDS[code] ?? code)}`);
    return undefined;
  }
}

const WORDS: Partial<Record<string, string>> = {ELOOP: 'it is no regular file', ENXIO: 'it is no regular file'};

/** The beginning of a text file, on one line, without what a terminal would take for commands. */
function readText(path: string, limitBytes: number): string | undefined {
  const bytes = readRegular(path, limitBytes);
  // A character that was cut in two, or is none, becomes a replacement character; at the end that says nothing.
  const text = bytes
    ?.subarray(0, limitBytes)
    .toString()
    .replace(/\ufffd$/, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
  return text === '' ? undefined : text;
}

function readObject(path: string, limitBytes: number): Readonly<Record<string, unknown>> | undefined {
  const bytes = readRegular(path, limitBytes);
  if (bytes === undefined) return undefined;
  if (bytes.length > limitBytes) throw new Error(`it is larger than ${limitBytes} bytes`);
  const value = parsePlainJson(bytes.toString());
  if (!isJsonObject(value)) throw new Error('it is no JSON object');
  return value;
}

/**
 * Up to one byte more than the limit of a regular file; `undefined` when there is none.
 *
 * @throws Error: it is something else. A pipe nobody writes to is not waited for, and a link not followed.
 */
function readRegular(path: string, limitBytes: number): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw err;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new Error('it is no regular file');
    const bytes = Buffer.alloc(Math.min(stats.size, limitBytes + 1));
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      if (count === 0) break; // It was made shorter meanwhile.
      length += count;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
