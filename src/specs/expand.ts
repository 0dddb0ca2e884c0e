import {quoted} from './finding.ts';
import type {Args} from './request-args.ts';
import type {NodeSpec} from './spec.ts';

/** What is wrong with the values that a node is given. */
export class WrongValue extends Error {
  readonly field: string;

  constructor(field: string, message: string) {
    super(message);
    this.field = field;
  }
}

/** The arguments that a node passes on in each of its instances: one, unless it is expanded. */
export interface Expansion {
  readonly count: number;
  /** A new map each time, so that nothing is held for instances that are still to come. */
  readonly at: (index: number) => Map<string, unknown>;
}

/**
 * Hands on what a node lists in `args`, of a conditional also what it tests, and one element of each list in `each`.
 *
 * @throws WrongValue something is not set, a list is no list, or the lists differ in length
 */
export function expand(node: NodeSpec, scope: Args): Expansion {
  const base = new Map<string, unknown>();
  if (node.if !== undefined) base.set(node.if, valueOf(scope, node.if, 'if'));
  for (const {expected, given} of node.args) base.set(expected, valueOf(scope, given, 'args'));
  const lists = node.each.map(({list, element}) => ({name: list, element, values: listOf(scope, list)}));
  const [first] = lists;
  if (first === undefined) return {count: 1, at: () => new Map(base)};
  for (const {name, values} of lists) {
    if (values.length === first.values.length) continue;
    throw new WrongValue(
      'each',
      `lists of different lengths: ${quoted(first.name)} has ${first.values.length}, ${quoted(name)} has ${values.length}`,
    );
  }
  return {
    count: first.values.length,
    at: (index) => {
      const args = new Map(base);
      for (const {element, values} of lists) args.set(element, values[index]);
      return args;
    },
  };
}

/** The sequence that a node calls: of a conditional, the one that a value of its caller chooses. @throws WrongValue its value is no text, or no option */
export function calledBy(node: NodeSpec, scope: Args): string {
  if (node.category !== 'conditional') return node.type ?? '';
  const name = node.if ?? '';
  const value = valueOf(scope, name, 'if');
  if (typeof value !== 'string') throw new WrongValue('if', `${quoted(name)} is not a string, but ${kindOf(value)}`);
  const chosen = node.eq?.get(value) ?? node.eq?.get('default');
  if (chosen !== undefined) return chosen;
  const options = Array.from(node.eq?.keys() ?? [], quoted).join(', ');
  throw new WrongValue('eq', `${quoted(name)} is ${quoted(value)}, which is none of the options: ${options}`);
}

function listOf(scope: Args, name: string): readonly unknown[] {
  const value = valueOf(scope, name, 'each');
  if (!Array.isArray(value)) throw new WrongValue('each', `${quoted(name)} is not a list, but ${kindOf(value)}`);
  return value;
}

function valueOf(scope: Args, name: string, field: string): unknown {
  if (!scope.has(name)) throw new WrongValue(field, `${quoted(name)} is not set`);
  return scope.get(name);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value}`;
}
