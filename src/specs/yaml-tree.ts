import {isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument} from 'yaml';
import type {YAMLMap, YAMLParseError} from 'yaml';

/** A value of a YAML file with the line it stands in. Aliases and merge keys are resolved; an aliased value is one object in several places. */
export type YamlNode = YamlMap | YamlList | YamlScalar;

export interface YamlMap {
  readonly kind: 'map';
  readonly line: number;
  /** In the order of the file; of keys that stand there twice, the last. Keys are their source text. */
  readonly entries: ReadonlyMap<string, YamlEntry>;
  readonly duplicates: readonly {readonly key: string; readonly line: number}[];
  /** Lines of keys that are no scalars. */
  readonly oddKeys: readonly number[];
}

export interface YamlEntry {
  readonly line: number;
  readonly value: YamlNode;
}

export interface YamlList {
  readonly kind: 'list';
  readonly line: number;
  readonly items: readonly YamlNode[];
}

/** `text` is what stands in the file, unquoted; `value` what YAML's core schema makes of it. */
export interface YamlScalar {
  readonly kind: 'scalar';
  readonly line: number;
  readonly text: string;
  readonly value: unknown;
}

/** A place where a file is no YAML that we take. */
export interface YamlProblem {
  readonly line: number;
  readonly message: string;
}

export interface YamlTree {
  /** Absent when there are errors. */
  readonly root?: YamlNode;
  readonly errors: readonly YamlProblem[];
  readonly warnings: readonly YamlProblem[];
}

/** Bounds of one file. `values` counts an aliased value as often as it is named, so that a few lines cannot stand for millions. */
const LIMITS = {values: 1_000_000, depth: 64, problems: 10};

/** Reads the YAML of one file. Never throws. */
export function readYaml(text: string): YamlTree {
  const lines = new LineCounter();
  try {
    // `uniqueKeys: false`: a key that stands twice is odd, not wrong; see `YamlMap.duplicates`.
    const document = parseDocument(text, {lineCounter: lines, uniqueKeys: false, prettyErrors: false, strict: true, version: '1.2'});
    const problem = ({pos, code, message}: Pick<YAMLParseError, 'pos' | 'code' | 'message'>): YamlProblem => ({
      line: lines.linePos(pos[0]).line || 1,
      message: code === 'MULTIPLE_DOCS' ? 'a second document begins here; each has to be a file of its own' : message,
    });
    const warnings = document.warnings.slice(0, LIMITS.problems).map(problem);
    if (document.errors.length > 0) return {errors: document.errors.slice(0, LIMITS.problems).map(problem), warnings};
    return {root: new TreeBuilder(lines).build(document.contents, 1, 0).node, errors: [], warnings};
  } catch (err) {
    if (err instanceof Unacceptable) return {errors: [{line: err.line, message: err.message}], warnings: []};
    return {errors: [{line: 1, message: err instanceof RangeError ? 'too deeply nested' : String((err as Error).message)}], warnings: []};
  }
}

class Unacceptable extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

interface Built {
  readonly node: YamlNode;
  /** How many values it stands for. */
  readonly size: number;
}

class TreeBuilder {
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Built>();
  #values = 0;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  build(node: unknown, parentLine: number, depth: number): Built {
    const line = this.#lineOf(node, parentLine);
    if (depth > LIMITS.depth) throw new Unacceptable(line, `nested deeper than ${LIMITS.depth} levels`);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      // An anchor is known once its value is complete: a value cannot hold itself.
      if (target === undefined) throw new Unacceptable(line, `alias *${node.source} names nothing before it`);
      this.#count(target.size, line);
      return target;
    }
    const before = this.#values;
    this.#count(1, line);
    const made = this.#make(node, line, depth);
    const built = {node: made, size: this.#values - before};
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#anchors.set(anchor, built);
    return built;
  }

  #make(node: unknown, line: number, depth: number): YamlNode {
    if (isMap(node)) return this.#map(node, line, depth);
    if (isSeq(node)) return {kind: 'list', line, items: node.items.map((item) => this.build(item, line, depth + 1).node)};
    if (isScalar(node)) return {kind: 'scalar', line, text: node.source ?? '', value: node.value};
    return {kind: 'scalar', line, text: '', value: null};
  }

  #map(node: YAMLMap, line: number, depth: number): YamlMap {
    const entries = new Map<string, YamlEntry>();
    const duplicates: {key: string; line: number}[] = [];
    const oddKeys: number[] = [];
    const merged: YamlNode[] = [];
    for (const pair of node.items) {
      const keyLine = this.#lineOf(pair.key, line);
      const key = this.build(pair.key, line, depth + 1).node;
      const value = this.build(pair.value, keyLine, depth + 1).node;
      if (key.kind !== 'scalar') oddKeys.push(keyLine);
      else if (key.text === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') merged.push(...(value.kind === 'list' ? value.items : [value]));
      else {
        if (entries.has(key.text)) duplicates.push({key: key.text, line: keyLine});
        entries.set(key.text, {line: keyLine, value});
      }
    }
    for (const source of merged) {
      if (source.kind !== 'map') throw new Unacceptable(line, '<< takes a mapping or a list of mappings');
      this.#count(source.entries.size, line);
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return {kind: 'map', line, entries, duplicates, oddKeys};
  }

  #lineOf(node: unknown, otherwise: number): number {
    const start = isMap(node) || isSeq(node) || isScalar(node) || isAlias(node) ? node.range?.[0] : undefined;
    return start === undefined ? otherwise : this.#lines.linePos(start).line || otherwise;
  }

  #count(values: number, line: number): void {
    this.#values += values;
    if (this.#values > LIMITS.values) throw new Unacceptable(line, `more than ${LIMITS.values} values, those behind aliases counted each time`);
  }
}
