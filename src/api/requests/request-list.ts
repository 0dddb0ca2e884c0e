import type {RequestArg, RequestSpec} from '../../proto/types.ts';
import type {ArgSpec, Specs} from '../../specs/spec.ts';

/** The requests that users may ask for, by name; with those of their arguments that may be given, in the order of their specs. */
export function requestList(specs: Pick<Specs, 'sequences'> | undefined): RequestSpec[] {
  const asked = [...(specs?.sequences.values() ?? [])].filter(({request}) => request);
  return asked
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({name, args}) => ({Name: name, Args: [...args.required.map(presentArg('required')), ...args.optional.map(presentArg('optional'))]}));
}

const presentArg =
  (Type: 'required' | 'optional') =>
  ({name, desc = '', default: value = null}: ArgSpec): RequestArg => ({
    Pos: 0,
    Name: name,
    Desc: desc,
    Type,
    Given: false,
    Default: value,
    Value: null,
  });
