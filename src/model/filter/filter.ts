import {ControlPlaneError} from '../../lib/errors.ts';
import {isPlainObject} from './bson-order.ts';
import type {Condition} from './conditions.ts';
import {compileOperators, equals, holdsOperators} from './operators.ts';
import type {Context} from './operators.ts';
import {parsePath} from './paths.ts';
import {malformed, unsupported} from './refusals.ts';
import {Work} from './work.ts';

/** What a filter has; of a document's field that is missing, `undefined`. */
export interface Filter<D> {
  /** @throws ControlPlaneError `invalid`: it would take too long on this document */
  readonly matches: (document: D) => boolean;
  /** Equalities that hold for every match: path → value. */
  readonly equalities: ReadonlyMap<string, unknown>;
}

type Match<D> = (document: D) => boolean;

/** Instructions of all regular expressions in a filter. */
const MAX_INSTRUCTIONS = 10_000;

/**
 * Compiles a MongoDB filter over documents whose fields `read` gives.
 *
 * Fields by dotted path; `$eq $ne $gt $gte $lt $lte $in $nin $not $exists $type $mod $regex ($options) $size $all $elemMatch`; `$and $or $nor`. What they mean
 * is MongoDB's, except that the fields of an embedded object have no order, `1` and `1.0` are one number, and regular expressions look neither around nor back.
 *
 * @throws ControlPlaneError `invalid`, naming the operator that is not offered or used wrongly
 * @see https://www.mongodb.com/docs/manual/reference/mql/query-predicates/
 */
export function compileFilter<D>(filter: Readonly<Record<string, unknown>>, read: (document: D, name: string) => unknown): Filter<D> {
  const equalities = new Map<string, unknown>();
  const work = new Work();
  let instructions = 0;
  const context: Context = {
    work,
    elementFilter: (inner) => compileAll(inner, readElement, context, undefined),
    grow: (added) => {
      instructions += added;
      if (instructions > MAX_INSTRUCTIONS) throw malformed('$regex', 'has too many and too large patterns in this filter');
    },
  };
  const match = compileAll(filter, read, context, equalities);
  return {
    equalities,
    matches: (document) => {
      work.reset();
      return match(document);
    },
  };
}

/** A field of an array's element; of an array in an array, by its place. */
function readElement(element: unknown, name: string): unknown {
  if (Array.isArray(element)) return /^(0|[1-9]\d{0,8})$/.test(name) ? element[Number(name)] : undefined;
  return isPlainObject(element) && Object.hasOwn(element, name) ? element[name] : undefined;
}

/** All conditions of one object. `equalities` collects those that hold for every match. */
function compileAll<D>(
  filter: Readonly<Record<string, unknown>>,
  read: (document: D, name: string) => unknown,
  context: Context,
  equalities: Map<string, unknown> | undefined,
): Match<D> {
  const parts = Object.entries(filter).map(([name, operand]): Match<D> => {
    if (!name.startsWith('$')) return compileField(name, operand, read, context, equalities);
    if (name !== '$and' && name !== '$or' && name !== '$nor') throw unsupported(name);
    if (!Array.isArray(operand) || operand.length === 0 || !operand.every(isPlainObject)) {
      throw new ControlPlaneError('invalid', `filter operator ${name} needs a non-empty array of filters`);
    }
    const inner = operand.map((each) => compileAll(each, read, context, name === '$and' ? equalities : undefined));
    if (name === '$and') return (document) => inner.every((match) => match(document));
    const isAny: Match<D> = (document) => inner.some((match) => match(document));
    return name === '$or' ? isAny : (document) => !isAny(document);
  });
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return (document) => parts.every((match) => match(document));
}

function compileField<D>(
  text: string,
  operand: unknown,
  read: (document: D, name: string) => unknown,
  context: Context,
  equalities: Map<string, unknown> | undefined,
): Match<D> {
  const path = parsePath(text);
  const name = path.names[0] as string;
  const condition = compileCondition(text, operand, context, equalities);
  return (document) => condition.at(read(document, name), path);
}

function compileCondition(text: string, operand: unknown, context: Context, equalities: Map<string, unknown> | undefined): Condition {
  if (!holdsOperators(operand)) {
    equalities?.set(text, operand);
    return equals(operand, context.work);
  }
  if (Object.hasOwn(operand, '$eq')) equalities?.set(text, operand['$eq']);
  return compileOperators(operand, context);
}
