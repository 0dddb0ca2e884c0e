import {ControlPlaneError} from '../lib/errors.ts';
import {isJsonObject, parsePlainJson, plainProblem} from '../lib/plain-json.ts';
import {executionBlockSchema} from './execution-block.ts';
import type {ExecutionBlock, ScanType} from './execution-block.ts';
import {processingBlockSchema} from './processing-block.ts';
import type {ProcessingBlock} from './processing-block.ts';
import {parserFor} from './validate.ts';

/** The argument of AssignResources. Members of the block may also stand beside `processing_blocks`, as in older interfaces. */
export interface AssignedResources {
  readonly block: Readonly<Record<string, unknown>> & Pick<ExecutionBlock, 'eb_id'>;
  readonly processingBlocks: readonly ProcessingBlock[];
}

export interface Configuration {
  readonly new_scan_types: readonly ScanType[];
  readonly scan_type: string;
}

/** The longest argument, in characters: what comes of it has to fit into one transaction. */
const MAX_LENGTH = 1024 * 1024;

const scanTypes = executionBlockSchema.properties.scan_types;
const block = {
  type: 'object',
  required: ['eb_id'],
  properties: {eb_id: {type: 'string'}, max_length: executionBlockSchema.properties.max_length, scan_types: scanTypes},
} as const;
const blocks = {type: 'array', default: [], items: processingBlockSchema} as const;
const parseNested = parserFor<{execution_block: AssignedResources['block']; processing_blocks: readonly ProcessingBlock[]; resources?: unknown}>(
  'AssignResources',
  {type: 'object', required: ['execution_block'], properties: {execution_block: block, processing_blocks: blocks}},
);
const parseFlat = parserFor<AssignedResources['block'] & {processing_blocks: readonly ProcessingBlock[]}>('AssignResources', {
  ...block,
  properties: {...block.properties, processing_blocks: blocks},
});
const parseConfiguration = parserFor<Configuration>('Configure', {
  type: 'object',
  required: ['scan_type'],
  properties: {new_scan_types: scanTypes, scan_type: {type: 'string'}},
});
const parseScan = parserFor<{readonly scan_id: number}>('Scan', {
  type: 'object',
  required: ['scan_id'],
  properties: {scan_id: {type: 'integer', minimum: 0}},
});

/** @throws ControlPlaneError `invalid`, with the field, or for an interface that is not known */
export function assignedResources(argument: unknown): AssignedResources {
  const {text, members} = read('AssignResources', 'assignres', argument);
  if ('execution_block' in members) {
    const {execution_block, processing_blocks} = parseNested(text, '');
    return {block: execution_block, processingBlocks: processing_blocks};
  }
  const {processing_blocks, ...rest} = parseFlat(text, '');
  return {block: rest, processingBlocks: processing_blocks};
}

/** @throws ControlPlaneError `invalid` */
export function configuration(argument: unknown): Configuration {
  return parseConfiguration(read('Configure', 'configure', argument).text, '');
}

/** @throws ControlPlaneError `invalid` */
export function scanId(argument: unknown): number {
  return parseScan(read('Scan', 'scan', argument).text, '').scan_id;
}

/** JSON text or an object, without the name of its interface. */
function read(command: string, schema: string, argument: unknown): {readonly text: string; readonly members: Readonly<Record<string, unknown>>} {
  const value = typeof argument === 'string' ? parsed(command, argument) : argument;
  const problem = isJsonObject(value) ? plainProblem(value) : 'it is no object';
  if (problem !== undefined) throw new ControlPlaneError('invalid', `the argument of ${command}: ${problem}`);
  const {interface: name, ...members} = value as Readonly<Record<string, unknown>>;
  // One without a name is taken as one of those that are known.
  if (name !== undefined && (typeof name !== 'string' || !new RegExp(`^https://[^/]+/ska-sdp-${schema}/0\\.[34]$`).test(name))) {
    throw new ControlPlaneError('invalid', `the argument of ${command}: interface ${JSON.stringify(name)} is not known`);
  }
  return {text: JSON.stringify(members), members};
}

function parsed(command: string, text: string): unknown {
  if (text.length > MAX_LENGTH) throw new ControlPlaneError('too_large', `the argument of ${command} has more than ${MAX_LENGTH} characters`);
  try {
    return parsePlainJson(text);
  } catch (err) {
    throw new ControlPlaneError('invalid', `the argument of ${command}: ${(err as Error).message}`, {cause: err});
  }
}
