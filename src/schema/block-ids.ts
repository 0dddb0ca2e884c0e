import {ControlPlaneError} from '../lib/errors.ts';

/** Ids of execution blocks and processing blocks. @see SKA SDP configuration database, schema of 2021: 1 to 64 characters */
export const BLOCK_ID = /^[A-Za-z0-9-]{1,64}$/;
/** Ids of deployments: those of blocks with a prefix and a suffix. */
export const DEPLOYMENT_ID = /^[A-Za-z0-9-]{1,96}$/;
/** One of the three parts of a script's id, which `:` joins. */
const SCRIPT_PART = /^[\w.-]{1,64}$/;
/** Subarrays count in two digits. */
export const SUBARRAY_ID = /^[0-9]{2}$/;

/** Which script: `kind` is `realtime`, `batch`, or any other name. */
export interface ScriptId {
  readonly kind: string;
  readonly name: string;
  readonly version: string;
}

/** `kind:name:version`. @throws ControlPlaneError `invalid`: a part that no key may have */
export function scriptId({kind, name, version}: ScriptId): string {
  for (const [field, part] of Object.entries({kind, name, version})) {
    if (!SCRIPT_PART.test(part)) throw new ControlPlaneError('invalid', `script.${field} must be 1 to 64 letters, digits, "_", "." or "-"`);
  }
  return `${kind}:${name}:${version}`;
}

/** The three parts of `kind:name:version`; `undefined` for anything else. */
export function parseScriptId(text: string): ScriptId | undefined {
  const [kind, name, version, ...more] = text.split(':');
  if (kind === undefined || name === undefined || version === undefined || more.length > 0) return undefined;
  return [kind, name, version].every((part) => SCRIPT_PART.test(part)) ? {kind, name, version} : undefined;
}

/** `YYYY-MM-DD hh:mm:ss` in UTC, as `last_updated` has it. */
export function blockTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace('T', ' ');
}

/** Milliseconds since 1970 of a `last_updated`: our own form, or the seconds that newer programs write. `undefined`: neither. */
export function parseBlockTime(value: unknown): number | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return value * 1000;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value)) return undefined;
  const ms = Date.parse(`${value.replace(' ', 'T')}Z`);
  return Number.isNaN(ms) ? undefined : ms;
}
