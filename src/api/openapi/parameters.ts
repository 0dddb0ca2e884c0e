import type {Parameter} from './described-route.ts';

const WORDS = 'In any case: `y yes t true on 1` or `n no f false off 0`, or empty for no.';

/** A yes or no in a query. */
export function flag(name: string, description: string): Parameter {
  return {name, description: `${description} ${WORDS}`, schema: {type: 'boolean', default: false}};
}

export const INCLUDE_DELETED = flag('include_deleted', 'Whether a deleted scan is shown too.');

export const PROJECTION: Parameter = {
  name: 'projection',
  description: 'The wanted fields of the manifest, with `|` between them; `*` or nothing for all.',
  schema: {type: 'string', pattern: '\\S'},
};

export const NO_REDIRECT: Parameter = {
  name: 'no_redirect',
  description: 'With `true` (in any case) a scan that was replaced answers itself; otherwise its user is sent on to the scan that took its place.',
  schema: {type: 'string'},
};

export const IDEMPOTENCY_KEY: Parameter = {
  name: 'Idempotency-Key',
  description: 'Any text of the caller’s choice. The same request under the same key is carried out once and answered with what it made then.',
  schema: {type: 'string', minLength: 1},
};
