import type {RequestArg} from '../schema/request-arg.ts';
import {SKYMAP_SCAN} from '../schema/scan.ts';
import type {SkymapRequest} from '../schema/scan.ts';
import type {Args} from './request-args.ts';
import {skymapSpecs} from './skymap-chain.ts';
import type {ArgSpec} from './spec.ts';

/**
 * What a sky scan was asked with, as the arguments of a request: those that its spec declares, in that order.
 *
 * A scan keeps what it asks for after defaults were filled in, so an optional argument counts as given when its value is not its default. The event
 * itself is kept under its id: that is what is shown of it. What was asked for with a name of its own in version 1 or 0 is not among them.
 */
export function skymapArgs(request: SkymapRequest): RequestArg[] {
  const {required, optional} = skymapSpecs().sequences.get(SKYMAP_SCAN)?.args ?? {required: [], optional: []};
  const values: Args = new Map(Object.entries(request));
  return [
    ...required.map(({name, desc = ''}, Pos) => {
      return {Pos, Name: name, Desc: desc, Type: 'required', Given: true, Default: null, Value: values.get(name) ?? null} as const;
    }),
    ...optional.map((spec, Pos) => optionalArg(spec, Pos, values.get(spec.name))),
  ];
}

function optionalArg({name, desc = '', default: Default = null}: ArgSpec, Pos: number, stored: unknown): RequestArg {
  const Given = !isEmpty(stored) && String(stored) !== Default;
  return {Pos, Name: name, Desc: desc, Type: 'optional', Given, Default, Value: Given ? stored : Default};
}

/** What stands for nothing: an empty text, list or mapping. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
}
