import {parseGoDuration} from '../lib/go-duration.ts';
import {NOOP, SKYMAP_JOB_TYPES} from '../schema/chain.ts';
import {QUANTITY} from '../schema/job-resources.ts';
import type {JobResources} from '../schema/job-resources.ts';
import type {CommandRun, HttpRun, JobType} from '../schema/job-type.ts';
import {present} from './draft.ts';
import {error, quoted} from './finding.ts';
import {MapReader, subjectAt} from './map-reader.ts';
import type {ReadContext} from './map-reader.ts';
import type {Finding, JobTypeSpec} from './spec.ts';
import type {YamlEntry} from './yaml-tree.ts';

/** What an HTTP job takes for success unless told. */
const EXPECTED = [200, 201, 202, 203, 204];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** Names that every job is given. */
const RESERVED_ENV = /^(SCANPLANE_|ARG_)/;
const MAX_COUNT = 10_000;

/** Reads one job type. `undefined`, with an error noted, when it cannot be used. */
export function readJobType(name: string, {line, value}: YamlEntry, outer: ReadContext): JobTypeSpec | undefined {
  let isBroken = false;
  const note = (finding: Finding): void => {
    if (finding.severity === 'error') isBroken = true;
    outer.note(finding);
  };
  const context = {...outer, note, hidesValues: true};
  const path = `jobs.${quoted(name).slice(1, -1)}`;
  const wrong = wrongness(context, path, line);
  if (name === NOOP || (SKYMAP_JOB_TYPES as readonly string[]).includes(name)) wrong('', name, 'is built in and cannot be declared');
  const reader = MapReader.of(value, `${path}.`, context);
  if (reader === undefined) return undefined;

  const run = readRun(reader, wrong);
  const count = reader.count('count');
  if (count !== undefined && (count < 1 || count > MAX_COUNT)) wrong('count', String(count), `must be 1 to ${MAX_COUNT}`);
  const timeout = reader.text('timeout');
  if (timeout !== undefined && !((parseGoDuration(timeout) ?? 0) > 0)) wrong('timeout', timeout, 'must be a duration above 0, such as 90s or 1h30m');
  const sets = reader.has('sets') ? reader.json('sets') : undefined;
  if (sets !== undefined && (typeof sets !== 'object' || sets === null || Array.isArray(sets)))
    wrong('sets', '', 'must be a mapping from arguments to values');
  const cluster = reader.name('cluster');
  const image = reader.text('image');
  if (image !== undefined && !/^[^\s\0]+$/.test(image)) wrong('image', '', 'must name an image, without blanks');
  const resources = readResources(reader, wrong);
  if (run !== undefined && run.kind !== 'command') {
    for (const field of ['image', 'resources']) if (reader.has(field)) wrong(field, '', 'belongs to a command');
  }
  reader.finish();
  if (isBroken || run === undefined) return undefined;
  return present<JobTypeSpec>({
    name,
    place: {file: context.file, line},
    run,
    cluster,
    count,
    timeout,
    image,
    resources,
    sets: sets as Record<string, unknown> | undefined,
  });
}

/** Notes an error in a field below `path`. */
type Wrong = (field: string, value: string, message: string) => void;

function wrongness(context: ReadContext, path: string, line: number): Wrong {
  return (field, value, message) => {
    context.note(error(subjectAt(line, context), {kind: 'invalid', field: field === '' ? path : `${path}.${field}`, values: [value], message}));
  };
}

function readRun(reader: MapReader, wrong: Wrong): JobType['run'] | undefined {
  const command = readCommand(reader, wrong);
  const request = reader.map('http');
  const http = request === undefined ? undefined : readHttp(request, wrong);
  const isClass = reader.flag('class') ?? false;
  const kinds = [reader.has('command'), reader.has('http'), isClass].filter(Boolean).length;
  if (kinds !== 1) wrong('', '', `must have one of command, http and class: true; it has ${kinds === 0 ? 'none' : 'several'}`);
  return command ?? http ?? (isClass ? {kind: 'class'} : undefined);
}

function readCommand(reader: MapReader, wrong: Wrong): CommandRun | undefined {
  const command = reader.texts('command').map(({text}) => text);
  const env = readPairs(reader, 'env');
  for (const [name] of env ?? []) {
    if (!/^[A-Za-z_]\w*$/.test(name)) wrong('env', name, `${quoted(name)} cannot be the name of an environment variable`);
    else if (RESERVED_ENV.test(name)) wrong('env', name, `${quoted(name)} cannot be set: SCANPLANE_… and ARG_… are what every job is given`);
  }
  if (!reader.has('command')) {
    if (env !== undefined) wrong('env', '', 'belongs to a command');
    return undefined;
  }
  if ((command[0] ?? '') === '') wrong('command', '', 'must be a list that begins with a program');
  // Their values may be anything but NUL, which ends a C string. They are not repeated in the message.
  if ([...command, ...(env ?? []).map(([, text]) => text)].some((text) => text.includes('\0')))
    wrong('command', '', 'must not contain a NUL character');
  return present<CommandRun>({kind: 'command', command, env});
}

function readHttp(reader: MapReader, wrong: Wrong): HttpRun {
  const url = reader.text('url') ?? '';
  // With placeholders the whole can only be checked when they are filled.
  if (!/^(https?:\/\/[^\s]+|\$\{[^}]+\}[^\s]*)$/.test(url))
    wrong('http.url', '', 'must begin with http://, https:// or an argument ${name}, without spaces');
  else if (/^https?:\/\/[^/?#]*@/.test(url)) wrong('http.url', '', 'must not name a user or a password: specs are stored and shown');
  const body = reader.json('body');
  const method = (reader.text('method') ?? (body === undefined ? 'GET' : 'POST')).toUpperCase();
  if (!METHODS.includes(method)) wrong('http.method', method, `must be one of ${METHODS.join(', ')}`);
  const headers = readPairs(reader, 'headers');
  for (const [name, text] of headers ?? []) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name)) wrong('http.headers', name, `${quoted(name)} cannot be the name of a header`);
    if (/[\r\n\0]/.test(text)) wrong('http.headers', name, `the value of ${quoted(name)} must be one line`);
  }
  const expect = reader.texts('expect').map(({text}) => text);
  for (const status of expect) if (!/^[1-5]\d\d$/.test(status)) wrong('http.expect', status, 'must be a list of status codes from 100 to 599');
  if (reader.has('expect') && expect.length === 0) wrong('http.expect', '', 'must name at least one status code');
  const follow = reader.flag('follow');
  reader.finish();
  return present<HttpRun>({kind: 'http', method, url, headers, body, expect: reader.has('expect') ? expect.map(Number) : EXPECTED, follow});
}

/** What a container may use and what is kept for it, as Kubernetes writes amounts. */
function readResources(reader: MapReader, wrong: Wrong): JobResources | undefined {
  const map = reader.map('resources');
  if (map === undefined) return undefined;
  const amounts = (key: 'limits' | 'requests'): Record<string, string> | undefined => {
    const pairs = readPairs(map, key);
    for (const [name, amount] of pairs ?? [])
      if (!QUANTITY.test(amount))
        wrong(`resources.${key}`, name, `the amount of ${quoted(name)} must be a number with or without a unit, such as 500m or 2Gi`);
    return pairs === undefined ? undefined : Object.fromEntries(pairs);
  };
  const resources = present<JobResources>({limits: amounts('limits'), requests: amounts('requests')});
  map.finish();
  return resources;
}

/** A mapping from names to text. */
function readPairs(reader: MapReader, key: string): readonly (readonly [string, string])[] | undefined {
  return reader.has(key) ? reader.textEntries(key) : undefined;
}
