import {once} from 'node:events';
import {request as httpRequest} from 'node:http';
import type {IncomingMessage} from 'node:http';

// Requests as nobody should send them, for tests with a seed.

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}

export type Random = () => number;
export const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
export const times = <T>(count: number, make: () => T): T[] => Array.from({length: count}, make);

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND'];
export const ODD_IDS = [
  'manifest',
  'result',
  'status',
  '0',
  '__proto__',
  'constructor',
  'x'.repeat(128),
  'x'.repeat(129),
  'a-b',
  '%2e%2e',
  'a%2Fb',
  '%00',
  '%E2%82%AC',
  '%',
  '%zz',
  'ü',
  '..',
  '.',
  '~',
  '$where',
];
export const ODD_TEXTS = [
  '',
  ' ',
  '\t',
  '\u0000',
  '\ud800',
  '\u202e',
  '€',
  '😀',
  '<b>',
  "'",
  '"',
  '\\',
  '{}',
  '[]',
  '..',
  '__proto__',
  'a'.repeat(5000),
  '1e999',
  'NaN',
  'null',
  'true',
];
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  1.5,
  1e308,
  -1e-320,
  2 ** 53,
  2 ** 63,
  [],
  {},
  [[]],
  [null],
  {a: {}},
  [1, 2],
  ['*'],
  {$where: 'x'},
  {$gt: {}},
  {$in: 1},
  {'': 0},
];

/** Names that mean something somewhere. */
const ODD_NAMES = ['scan_id', 'rescan_ids', 'memory', 'cluster', 'priority', 'requestId', 'state', 'Args', 'jobs'];

export function oddValue(random: Random): unknown {
  const kind = random();
  if (kind < 0.45) return pick(random, ODD_VALUES);
  if (kind < 0.85) return pick(random, ODD_TEXTS);
  if (kind < 0.9) return times(200, () => pick(random, ODD_TEXTS));
  return Object.fromEntries(times(30, () => [pick(random, ODD_TEXTS), pick(random, ODD_VALUES)]));
}

/** A copy of a JSON value with one place of it spoilt. */
export function spoil(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || random() < 0.15) return oddValue(random);
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value];
    if (copy.length === 0 || random() < 0.2) copy.push(oddValue(random));
    else copy[Math.floor(random() * copy.length)] = spoil(random, pick(random, copy));
    return copy;
  }
  const copy: Record<string, unknown> = {...value};
  const names = Object.keys(copy);
  const kind = random();
  if (names.length === 0 || kind < 0.15) copy[pick(random, [...ODD_TEXTS, ...ODD_NAMES])] = oddValue(random);
  else {
    const name = pick(random, names);
    if (kind < 0.3) delete copy[name];
    else copy[name] = kind < 0.6 ? oddValue(random) : spoil(random, copy[name]);
  }
  return copy;
}

/** The text of a body, spoilt as no JSON.stringify would write it. */
export function spoilText(random: Random, text: string): Buffer {
  const bytes = Buffer.from(text);
  const at = Math.floor(random() * bytes.length);
  switch (Math.floor(random() * 8)) {
    case 0:
      return bytes.subarray(0, at); // cut off
    case 1:
      bytes[at] = Math.floor(random() * 256);
      return bytes;
    case 2:
      return Buffer.concat([bytes, pick(random, [Buffer.from('}'), Buffer.from('{}'), Buffer.from([0xff, 0xfe]), Buffer.from('\ufeff')])]);
    case 3:
      return Buffer.from(
        text.replace(/:[^,{}[\]]+/, `:${pick(random, ['NaN', 'Infinity', '-Infinity', '1e999', '01', '.5', '0x1', "'a'", '\\u0041'])}`),
      );
    case 4: {
      const depth = pick(random, [10, 900, 1100, 20_000]);
      return Buffer.from(text.replace(/:[^,{}[\]]+/, () => `:${'['.repeat(depth)}${']'.repeat(depth)}`));
    }
    case 5: {
      const depth = pick(random, [900, 1100, 20_000]);
      return Buffer.from(text.replace(/:\{/, () => `:{"deep":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)},`));
    }
    case 6:
      return Buffer.from(text.replace(/^\{("[^"]*":)/, '{$1null,$1')); // the first member twice
    default:
      return Buffer.from(`${' '.repeat(Math.floor(random() * 2000))}${text}\n`);
  }
}

export const ODD_HEADERS: readonly (readonly [string, readonly string[]])[] = [
  [
    'content-type',
    [
      'text/plain',
      'application/json; charset=utf-8',
      'application/x-www-form-urlencoded',
      'multipart/form-data',
      'APPLICATION/JSON',
      ';',
      '',
      'application/json;;',
    ],
  ],
  ['authorization', ['Bearer', 'Bearer x', 'Basic eDp5', 'bearer  a  b', 'Bearer eyJhbGciOiJub25lIn0.e30.', '']],
  ['idempotency-key', ['a', '', 'x'.repeat(300), '"', 'k1', 'k2']],
  ['content-encoding', ['gzip', 'identity', 'x']],
  ['accept', ['text/html', '*/*', '']],
  ['host', ['example.org', 'a:99999', '']],
  ['x-forwarded-proto', ['https', 'javascript', '']],
  ['x-forwarded-host', ['evil.example', '']],
  ['expect', ['x']],
  ['if-none-match', ['*']],
  ['owner-revision', ['x', '0', '1', '-1', '1e3', '9'.repeat(30)]],
  ['if-match', ['*', 'x', '"1"', '""']],
  ['last-event-id', ['x', '1']],
  ['range', ['bytes=0-1']],
];

export interface Reply {
  /** 0: the connection was closed without a whole answer. */
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** A server that says nothing for so long does not answer. */
const ANSWER_MS = 30_000;

/** Sends a request as it is. `undefined`: the client's own HTTP library refused to. */
export async function send(url: string, {method, path, headers, body}: Sent): Promise<Reply | undefined> {
  let outgoing: ReturnType<typeof httpRequest>;
  try {
    const length = body === undefined ? {} : {'content-length': String(body.length)};
    outgoing = httpRequest(url, {method, path, headers: {...headers, ...length}, agent: false});
  } catch {
    return undefined;
  }
  outgoing.on('error', () => {}); // Beside the rejections below.
  outgoing.setTimeout(ANSWER_MS, () => outgoing.destroy(new Error('no answer')));
  try {
    const answered = once(outgoing, 'response');
    outgoing.end(body);
    const [incoming] = (await answered) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return {status: incoming.statusCode ?? 0, type: incoming.headers['content-type'] ?? '', text: Buffer.concat(chunks).toString()};
  } catch (err) {
    return {status: 0, type: '', text: String(err)};
  }
}

export const shown = ({method, path, headers, body}: Sent): string =>
  `${method} ${path.slice(0, 300)} ${JSON.stringify(headers).slice(0, 200)} ${body?.toString('latin1').slice(0, 600)}`;
