import {parseDocument} from 'yaml';
import {storedText} from '../../client/objects/stored-object.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {isJsonObject} from '../../lib/plain-json.ts';
import {parseDeployment, parseDeploymentState} from '../../schema/deployment.ts';
import {parseEbState, parseExecutionBlock} from '../../schema/execution-block.ts';
import {LMC_CONTROLLER_KEY, parseKey, subarrayKey} from '../../schema/keys.ts';
import {parseOwner} from '../../schema/owner.ts';
import {parsePbState, parseProcessingBlock} from '../../schema/processing-block.ts';
import {parseScript} from '../../schema/script.ts';
import {parseLmcController, parseSubarray} from '../../schema/subarray.ts';
import type {Parser} from '../../schema/validate.ts';

/** Characters of a value on the command line or in an editor. */
const MAX_CHARACTERS = 1024 * 1024;

const PARSERS: Readonly<Record<string, Parser<object>>> = {
  eb: parseExecutionBlock,
  'eb-state': parseEbState,
  pb: parseProcessingBlock,
  'pb-state': parsePbState,
  'pb-owner': parseOwner,
  script: parseScript,
  deploy: parseDeployment,
  'deploy-state': parseDeploymentState,
};

/** Members that name the object itself: nobody need write them twice. */
const ID_MEMBERS: Readonly<Record<string, string>> = {eb: 'eb_id', pb: 'pb_id', deploy: 'id'};

/** An object in YAML or JSON. @throws ControlPlaneError `invalid`, naming `what` and the line */
export function readObject(text: string, what: string): Readonly<Record<string, unknown>> {
  if (text.length > MAX_CHARACTERS) throw new ControlPlaneError('too_large', `${what}: more than ${MAX_CHARACTERS} characters`);
  const document = parseDocument(text, {logLevel: 'error'});
  const [error] = document.errors;
  if (error !== undefined) throw new ControlPlaneError('invalid', `${what}: ${error.message.split('\n')[0]}`);
  let value: unknown;
  try {
    value = document.toJS({maxAliasCount: 100});
  } catch (err) {
    throw new ControlPlaneError('invalid', `${what}: ${(err as Error).message}`);
  }
  if (!isJsonObject(value)) throw new ControlPlaneError('invalid', `${what}: it must be a mapping, in YAML or JSON`);
  return value;
}

/** The text that a key of ours is to hold: canonical, and checked. @throws ControlPlaneError `invalid`, naming key and field */
export function valueText(key: string, object: Readonly<Record<string, unknown>>): string {
  if (key === LMC_CONTROLLER_KEY) return storedText(parseLmcController, key, object);
  if (key.startsWith(subarrayKey(''))) return storedText(parseSubarray, key, object);
  const ref = parseKey(key);
  const parser = PARSERS[ref?.kind ?? ''];
  if (ref === undefined || parser === undefined) {
    throw new ControlPlaneError('invalid', `${key}: no object can have this key`, {key});
  }
  const member = ID_MEMBERS[ref.kind];
  return storedText(parser, key, member === undefined || !('id' in ref) ? object : {[member]: ref.id, ...object});
}
