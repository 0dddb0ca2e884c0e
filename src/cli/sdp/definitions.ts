import {readFile, stat} from 'node:fs/promises';
import {parseDocument} from 'yaml';
import {isJsonObject} from '../../lib/plain-json.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {scriptId} from '../../schema/block-ids.ts';
import {parseScript} from '../../schema/script.ts';

const MAX_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** @throws ControlPlaneError `invalid`: it cannot be had */
export async function readDefinitions(source: string): Promise<string> {
  try {
    return /^https?:/.test(source) ? await download(source) : await readSmall(source);
  } catch (err) {
    throw new ControlPlaneError('invalid', 'Bad file name or URL. Please fix, and retry.', {cause: err});
  }
}

async function readSmall(file: string): Promise<string> {
  const {size} = await stat(file);
  if (size > MAX_BYTES) throw new Error('too large');
  return readFile(file, 'utf8');
}

async function download(url: string): Promise<string> {
  const response = await fetch(url, {signal: AbortSignal.timeout(TIMEOUT_MS)});
  if (!response.ok || response.body === null) throw new Error(`${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

type Members = Readonly<Record<string, unknown>>;

/** Members that say which script it is, and where its image is from. */
const NAMING = new Set(['kind', 'type', 'name', 'id', 'version', 'versions', 'repository', 'image']);

/**
 * Scripts by their ids, from either form: `scripts` (`workflows`) with `version` and what is stored each, such as `image` or `command`; or with `repository`,
 * `image` and `versions`, the paths of whose repositories stand under `repositories`.
 *
 * @throws ControlPlaneError `invalid`: with the text that users know for what does not parse; with the place for what does not fit
 */
export function parseDefinitions(text: string): ReadonlyMap<string, Members> {
  const root = parsed(text);
  const listName = root['scripts'] === undefined ? 'workflows' : 'scripts';
  const repositories = new Map<string, string>();
  for (const [i, each] of listOf(root, 'repositories').entries()) {
    repositories.set(textOf(each, ['name'], `repositories.${i}`), textOf(each, ['path'], `repositories.${i}`));
  }
  const found = new Map<string, Members>();
  for (const [i, each] of listOf(root, listName, true).entries()) {
    const place = `${listName}.${i}`;
    const kind = textOf(each, ['kind', 'type'], place);
    const name = textOf(each, ['name', 'id'], place);
    const others = Object.fromEntries(Object.entries(each).filter(([member]) => !NAMING.has(member)));
    for (const {version, image} of versionsOf(each, repositories, place)) {
      const id = scriptId({kind, name, version});
      if (found.has(id)) throw wrong(place, `${id} is defined twice`);
      const value = {...others, ...(image === undefined ? {} : {image})};
      found.set(id, value);
      parseScript(JSON.stringify(value), `${place} (${id})`);
    }
  }
  return found;
}

function parsed(text: string): Members {
  const malformed = new ControlPlaneError('invalid', 'Malformed YAML/JSON file. Please fix, and retry.');
  const document = parseDocument(text, {logLevel: 'error'});
  if (document.errors.length > 0) throw malformed;
  let root: unknown;
  try {
    root = document.toJS({maxAliasCount: 100});
  } catch {
    throw malformed;
  }
  if (!isJsonObject(root)) throw malformed;
  return root;
}

function versionsOf(each: Members, repositories: ReadonlyMap<string, string>, place: string): {readonly version: string; readonly image?: string}[] {
  const {versions} = each;
  if (versions === undefined) {
    const version = textOf(each, ['version'], place);
    return [each['image'] === undefined ? {version} : {version, image: textOf(each, ['image'], place)}];
  }
  const image = textOf(each, ['image'], place);
  const repository = textOf(each, ['repository'], place);
  const path = repositories.get(repository);
  if (path === undefined) throw wrong(`${place}.repository`, `there is no repository ${JSON.stringify(repository)}`);
  if (!Array.isArray(versions)) throw wrong(`${place}.versions`, 'it must be a list');
  return versions.map((one: unknown, i) => {
    const version = asText(one);
    if (version === undefined) throw wrong(`${place}.versions.${i}`, 'it must be a text');
    return {version, image: `${path}/${image}:${version}`};
  });
}

function listOf(root: Members, name: string, isNeeded = false): readonly Members[] {
  const list = root[name];
  if (list === undefined && !isNeeded) return [];
  if (!Array.isArray(list)) throw wrong(isNeeded ? 'scripts' : name, 'it must be a list');
  for (const [i, each] of list.entries()) if (!isJsonObject(each)) throw wrong(`${name}.${i}`, 'it must be a mapping');
  return list as readonly Members[];
}

function textOf(each: Members, names: readonly string[], place: string): string {
  const text = names.map((name) => asText(each[name])).find((value) => value !== undefined);
  if (text === undefined) throw wrong(`${place}.${names[0]}`, 'it must be a text');
  return text;
}

/** A version like 1.0 without quotes is a number to YAML. */
function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;
}

const wrong = (place: string, problem: string): ControlPlaneError => new ControlPlaneError('invalid', `${place}: ${problem}`);
