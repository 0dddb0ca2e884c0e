import {error, quoted, warning} from './finding.ts';
import type {Note, Subject} from './finding.ts';
import type {YamlEntry, YamlMap, YamlNode} from './yaml-tree.ts';

/** Whose values are read, and who is told what is wrong with them. */
export interface ReadContext {
  readonly file: string;
  readonly sequence?: string;
  readonly node?: string;
  readonly note: Note;
  /** Whether findings must not repeat what is written: there may be a secret, though there should be none. */
  readonly hidesValues?: boolean;
}

/** Words that YAML 1.1 and Go take for booleans. */
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['true', 'yes', 'on', 'y'].map((word) => [word, true] as const),
  ...['false', 'no', 'off', 'n'].map((word) => [word, false] as const),
]);

/**
 * Reads the values of one mapping. What is absent or null reads as `undefined`; what has the wrong type does too, and is noted as an error.
 *
 * `path` is where the mapping stands, as `args.required.`; empty at the top.
 */
export class MapReader {
  readonly line: number;
  readonly #map: YamlMap;
  readonly #path: string;
  readonly #context: ReadContext;
  readonly #asked = new Set<string>();

  constructor(map: YamlMap, path: string, context: ReadContext) {
    this.#map = map;
    this.line = map.line;
    this.#path = path;
    this.#context = context;
  }

  /** A mapping, or `undefined` with an error noted. `null` is no mapping either. */
  static of(node: YamlNode, path: string, context: ReadContext): MapReader | undefined {
    if (node.kind === 'map') return new MapReader(node, path, context);
    typeError(node, path.replace(/\.$/, ''), 'a mapping', context);
    return undefined;
  }

  /** Lines of the keys that stand here. */
  lines(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#map.entries, ([key, {line}]) => [key, line]));
  }

  /** Whether the key stands here with a value. */
  has(key: string): boolean {
    return this.#value(key) !== undefined;
  }

  /** A scalar as it is written. */
  text(key: string): string | undefined {
    const node = this.#value(key);
    return node === undefined ? undefined : textOf(node, `${this.#path}${key}`, this.#context);
  }

  /** A name: text that is neither empty nor long nor full of control characters. */
  name(key: string): string | undefined {
    const text = this.text(key);
    if (text === undefined || text === '') return text;
    return isName(text, this.#lineOf(key), `${this.#path}${key}`, this.#context) ? text : undefined;
  }

  flag(key: string): boolean | undefined {
    const node = this.#value(key);
    if (node === undefined) return undefined;
    const flag = node.kind === 'scalar' ? BOOLEANS.get(node.text.toLowerCase()) : undefined;
    if (flag === undefined) typeError(node, `${this.#path}${key}`, 'true or false', this.#context);
    return flag;
  }

  /** A whole number of at least 0. */
  count(key: string): number | undefined {
    const number = this.#value(key);
    if (number === undefined) return undefined;
    if (number.kind === 'scalar' && /^\+?\d+$/.test(number.text) && Number.isSafeInteger(Number(number.text))) return Number(number.text);
    typeError(number, `${this.#path}${key}`, 'a whole number of 0 or more', this.#context);
    return undefined;
  }

  /** Any finite number. */
  number(key: string): number | undefined {
    const node = this.#value(key);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar' && typeof node.value === 'number' && Number.isFinite(node.value)) return node.value;
    typeError(node, `${this.#path}${key}`, 'a number', this.#context);
    return undefined;
  }

  /** The entries of a list, null ones included. Empty when there is none. */
  list(key: string): readonly YamlNode[] {
    const node = this.#value(key);
    if (node === undefined) return [];
    if (node.kind === 'list') return node.items;
    typeError(node, `${this.#path}${key}`, 'a list', this.#context);
    return [];
  }

  /** The scalars of a list as they are written. */
  texts(key: string): readonly {readonly text: string; readonly line: number}[] {
    const path = `${this.#path}${key}`;
    return this.list(key).flatMap((item) => {
      const text = isNull(item) ? typeError(item, path, 'text', this.#context) : textOf(item, path, this.#context);
      return text === undefined ? [] : [{text, line: item.line}];
    });
  }

  /** The entries of a mapping; each key is a name unless `anyKey`. Empty when there is none. */
  entries(key: string, anyKey = false): readonly (readonly [string, YamlEntry])[] {
    const node = this.#value(key);
    if (node === undefined) return [];
    const path = `${this.#path}${key}`;
    if (node.kind !== 'map') return (typeError(node, path, 'a mapping', this.#context), []);
    noteKeys(node, path, this.#context);
    return [...node.entries].filter(([name, {line}]) => (anyKey ? isSafeKey : isName)(name, line, path, this.#context));
  }

  /** The entries of a mapping from names to text. */
  textEntries(key: string): readonly (readonly [string, string])[] {
    return this.entries(key).flatMap(([name, {value}]) => {
      const field = `${this.#path}${key}.${shown(name)}`;
      const text = isNull(value) ? typeError(value, field, 'text', this.#context) : textOf(value, field, this.#context);
      return text === undefined ? [] : [[name, text] as const];
    });
  }

  /** A mapping of its own. */
  map(key: string): MapReader | undefined {
    const node = this.#value(key);
    return node === undefined ? undefined : MapReader.of(node, `${this.#path}${key}.`, this.#context);
  }

  /** Any value as JSON; a scalar keeps its text. `undefined` for null. */
  value(key: string): unknown {
    const node = this.#value(key);
    if (node === undefined) return undefined;
    return node.kind === 'scalar' ? node.text : jsonOf(node, `${this.#path}${key}`, this.#context);
  }

  /** Any value as JSON, numbers and booleans as YAML reads them. */
  json(key: string): unknown {
    const node = this.#value(key);
    return node === undefined ? undefined : jsonOf(node, `${this.#path}${key}`, this.#context);
  }

  /** Notes the keys that nobody has asked for, and those that stand here twice. */
  finish(): void {
    noteKeys(this.#map, this.#path.replace(/\.$/, ''), this.#context);
    for (const [key, {line}] of this.#map.entries) {
      if (this.#asked.has(key)) continue;
      const message = `there is no key ${quoted(key)} here; the keys are ${[...this.#asked].toSorted().join(', ')}`;
      this.#context.note(warning(subjectAt(line, this.#context), {kind: 'invalid', field: `${this.#path}${shown(key)}`, values: [key], message}));
    }
  }

  #value(key: string): YamlNode | undefined {
    this.#asked.add(key);
    const node = this.#map.entries.get(key)?.value;
    return node === undefined || isNull(node) ? undefined : node;
  }

  #lineOf(key: string): number {
    return this.#map.entries.get(key)?.line ?? this.line;
  }
}

export function isNull(node: YamlNode): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Notes that a value has the wrong type. */
export function typeError(node: YamlNode, field: string, wanted: string, context: ReadContext): undefined {
  const isHidden = context.hidesValues === true;
  const message = `must be ${wanted}, not ${describe(node, isHidden)}`;
  const values = node.kind === 'scalar' && !isHidden ? [node.text] : [];
  context.note(error(subjectAt(node.line, context), {kind: 'type', ...(field === '' ? {} : {field}), values, message}));
}

/** The subject of a finding in line `line`. */
export function subjectAt(line: number, {file, sequence, node}: ReadContext): Subject {
  return {place: {file, line}, ...(sequence === undefined ? {} : {sequence}), ...(node === undefined ? {} : {node})};
}

function textOf(node: YamlNode, field: string, context: ReadContext): string | undefined {
  return node.kind === 'scalar' ? node.text : typeError(node, field, 'text', context);
}

/** Whether this can be the name of something. Names reach terminals, logs, and keys of objects. */
function isName(text: string, line: number, field: string, context: ReadContext): boolean {
  if (!isSafeKey(text, line, field, context)) return false;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (text !== '' && text.length <= 256 && !/[\u0000-\u001f\u007f-\u009f]/.test(text)) return true;
  const message = `${quoted(text)} is no name: one has 1 to 256 characters and no control characters`;
  context.note(error(subjectAt(line, context), {kind: 'invalid', field, values: [text], message}));
  return false;
}

/** `__proto__` as the key of an object would change what the object is. */
function isSafeKey(text: string, line: number, field: string, context: ReadContext): boolean {
  if (text !== '__proto__') return true;
  const message = '"__proto__" cannot be a name';
  context.note(error(subjectAt(line, context), {kind: 'invalid', ...(field === '' ? {} : {field}), values: [text], message}));
  return false;
}

function noteKeys(map: YamlMap, path: string, context: ReadContext): void {
  for (const {key, line} of map.duplicates) {
    const field = path === '' ? shown(key) : `${path}.${shown(key)}`;
    context.note(
      warning(subjectAt(line, context), {kind: 'duplicate', field, values: [key], message: `key ${quoted(key)} stands here twice; the last counts`}),
    );
  }
  for (const line of map.oddKeys) {
    const message = 'a key must be text';
    context.note(error(subjectAt(line, context), {kind: 'type', ...(path === '' ? {} : {field: path}), message}));
  }
}

function jsonOf(node: YamlNode, field: string, context: ReadContext): unknown {
  switch (node.kind) {
    case 'list':
      return node.items.map((item) => jsonOf(item, field, context));
    case 'map':
      noteKeys(node, field, context);
      return Object.fromEntries(
        [...node.entries]
          .filter(([key, {line}]) => isSafeKey(key, line, field, context))
          .map(([key, entry]) => [key, jsonOf(entry.value, `${field}.${shown(key)}`, context)]),
      );
    case 'scalar': {
      const {value} = node;
      if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
      if (typeof value === 'number' && Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))) return value;
      return typeError(node, field, 'a number that JSON can hold exactly (or text, in quotes)', context);
    }
  }
}

function describe(node: YamlNode, isHidden: boolean): string {
  if (node.kind === 'scalar' && isHidden) return node.value === null ? 'null' : 'text';
  if (node.kind === 'scalar') return node.value === null ? 'null' : quoted(node.text);
  return node.kind === 'list' ? 'a list' : 'a mapping';
}

/** A key as a part of a path. */
function shown(key: string): string {
  return quoted(key).slice(1, -1);
}
