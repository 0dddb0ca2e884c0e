import {CharSet} from './char-set.ts';
import {PatternError} from './syntax.ts';
import type {Node, Place} from './syntax.ts';

export type Instruction =
  | {readonly op: 'take'; readonly set: CharSet}
  | {readonly op: 'at'; readonly place: Place}
  | {readonly op: 'fork'; readonly first: number; second: number}
  | {readonly op: 'jump'; to: number}
  | {readonly op: 'done'};

/** Instructions of one pattern. The time that a text takes is its length times this, at worst. */
const MAX_INSTRUCTIONS = 2000;

/** A pattern as instructions; the last is `done`. @throws PatternError too large */
export function writeProgram(node: Node, anyCase: boolean): readonly Instruction[] {
  const writer = new Writer(anyCase);
  writer.write(node);
  writer.push({op: 'done'});
  return writer.program;
}

class Writer {
  readonly program: Instruction[] = [];
  readonly #anyCase: boolean;
  readonly #sets = new Map<Node, CharSet>();
  #written = 0;

  constructor(anyCase: boolean) {
    this.#anyCase = anyCase;
  }

  push(instruction: Instruction): number {
    this.program.push(instruction);
    return this.program.length - 1;
  }

  write(node: Node): void {
    // Counts what writes nothing too: ((){1000}){1000} is small, and takes for ever.
    if (++this.#written > MAX_INSTRUCTIONS) throw new PatternError('is too large');
    switch (node.kind) {
      case 'set':
        this.push({op: 'take', set: this.#setOf(node)});
        return;
      case 'place':
        this.push({op: 'at', place: node.place});
        return;
      case 'sequence':
        for (const each of node.nodes) this.write(each);
        return;
      case 'choice':
        return this.#choice(node.nodes);
      default:
        return this.#repeat(node.node, node.min, node.max);
    }
  }

  /** What is repeated is written several times, with one set. */
  #setOf(node: Node & {kind: 'set'}): CharSet {
    const known = this.#sets.get(node);
    if (known !== undefined) return known;
    const made = new CharSet(node.ranges, node.isNegated, this.#anyCase);
    this.#sets.set(node, made);
    return made;
  }

  #choice(nodes: readonly Node[]): void {
    const ends: {to: number}[] = [];
    nodes.forEach((node, i) => {
      const fork = i < nodes.length - 1 ? this.#fork() : undefined;
      this.write(node);
      if (fork === undefined) return;
      const end = {op: 'jump' as const, to: 0};
      this.push(end);
      ends.push(end);
      fork.second = this.program.length;
    });
    for (const end of ends) end.to = this.program.length;
  }

  #repeat(node: Node, min: number, max: number): void {
    for (let i = 0; i < min; i++) this.write(node);
    if (max === Infinity) {
      const start = this.program.length;
      const fork = this.#fork();
      this.write(node);
      this.push({op: 'jump', to: start});
      fork.second = this.program.length;
      return;
    }
    const forks: {second: number}[] = [];
    for (let i = min; i < max; i++) {
      forks.push(this.#fork());
      this.write(node);
    }
    for (const fork of forks) fork.second = this.program.length;
  }

  /** Two ways: the next instruction, and one that is set later. */
  #fork(): {second: number} {
    const fork = {op: 'fork' as const, first: this.program.length + 1, second: 0};
    this.push(fork);
    return fork;
  }
}
