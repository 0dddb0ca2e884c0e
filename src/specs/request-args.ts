import {ControlPlaneError} from '../lib/errors.ts';
import type {ArgType, RequestArg} from '../schema/request-arg.ts';
import {formatPlace, quoted, quotedList} from './finding.ts';
import type {ArgSpec, SequenceSpec, Specs} from './spec.ts';

/** Arguments by name. A map, since a caller chooses the names. */
export type Args = ReadonlyMap<string, unknown>;

/** Names in one message. */
const MAX_NAMED = 10;

/** The sequence that users mean by a request type. @throws ControlPlaneError `invalid`: there is none that can be used; says why */
export function requestOf({sequences, findings}: Specs, type: string): SequenceSpec {
  if (type === '') throw new ControlPlaneError('invalid', 'the type of the request is missing');
  const sequence = sequences.get(type);
  if (sequence?.request === true) return sequence;
  if (sequence !== undefined) throw new ControlPlaneError('invalid', `${quoted(type)} is not a request: it is a sequence for use by others`);
  const finding = findings.find(({severity, sequence: name}) => severity === 'error' && name === type);
  if (finding === undefined) throw new ControlPlaneError('invalid', `no request type is called ${quoted(type)}`);
  throw new ControlPlaneError('invalid', `request type ${quoted(type)} cannot be used: its spec has errors, see ${formatPlace(finding.place)}`);
}

/**
 * Checks what the caller gave against what a request declares, and fills in the rest.
 *
 * @param given a JSON object. A null is a value
 * @returns `list`: all arguments, for the archive (required, then optional, then static ones, each in the order of the spec); `values`: what its chain is built with
 * @throws ControlPlaneError `invalid`: a required one is missing, or one is given that is static or not declared; the message names it
 */
export function resolveRequestArgs(
  {name: request, args}: SequenceSpec,
  given: Readonly<Record<string, unknown>>,
): {readonly list: readonly RequestArg[]; readonly values: Args} {
  const callers = new Map(Object.entries(given));
  const refuse = (what: string, names: readonly string[], why: string): void => {
    if (names.length === 0) return;
    const rest = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
    const text = `request ${quoted(request)}: ${what} ${quotedList(names.slice(0, MAX_NAMED))}${rest}: ${why}`;
    throw new ControlPlaneError('invalid', text);
  };
  const namesOf = (specs: readonly ArgSpec[]): string[] => specs.map(({name}) => name);
  const fixed = namesOf(args.static);
  const open = namesOf([...args.required, ...args.optional]);
  const declared = new Set([...open, ...fixed]);
  refuse(
    'missing argument',
    namesOf(args.required).filter((name) => !callers.has(name)),
    'it is required',
  );
  refuse(
    'argument',
    fixed.filter((name) => callers.has(name)),
    'it is static and cannot be given',
  );
  refuse(
    'argument',
    [...callers.keys()].filter((name) => !declared.has(name)),
    `it is not declared; the request takes ${open.length === 0 ? 'none' : quotedList(open.slice(0, MAX_NAMED))}`,
  );

  const resolve = (Type: ArgType, specs: readonly ArgSpec[]): RequestArg[] =>
    specs.map(({name, desc = '', default: value = null}, Pos) => {
      const Given = callers.has(name);
      const Default = Type === 'optional' ? value : null;
      return {Pos, Name: name, Desc: desc, Type, Given, Default, Value: Given ? callers.get(name) : value};
    });
  const list = [...resolve('required', args.required), ...resolve('optional', args.optional), ...resolve('static', args.static)];
  return {list, values: new Map(list.map(({Name, Value}) => [Name, Value]))};
}
