import {ControlPlaneError} from '../../lib/errors.ts';
import {LMC_CONTROLLER_KEY, deployKey, deployStateKey, ebKey, ebStateKey, pbKey, pbStateKey, scriptKey, subarrayKey} from '../../schema/keys.ts';

/** A kind of object as the command line knows it. */
export interface ObjectType {
  readonly name: string;
  /** Words of older versions. */
  readonly aliases: readonly string[];
  /** Below which its keys are; of the controller, its only key. */
  readonly path: string;
  /** The key of one; the controller has no id. */
  keyOf(id: string): string;
  /** The key that `update` and `edit` change. */
  readonly changes: (id: string) => string;
  readonly isSingle?: true;
}

const two = (id: string): string => subarrayKey(id.padStart(2, '0'));

export const OBJECT_TYPES: readonly ObjectType[] = [
  {name: 'pb', aliases: [], path: '/pb', keyOf: pbKey, changes: pbStateKey},
  {name: 'script', aliases: ['workflow'], path: '/script', keyOf: scriptKey, changes: scriptKey},
  {name: 'deployment', aliases: ['deploy'], path: '/deploy', keyOf: deployKey, changes: deployKey},
  {name: 'eb', aliases: ['sbi'], path: '/eb', keyOf: ebKey, changes: ebKey},
  {name: 'subarray', aliases: [], path: '/lmc/subarray', keyOf: two, changes: two},
  {
    name: 'controller',
    aliases: ['master'],
    path: LMC_CONTROLLER_KEY,
    keyOf: () => LMC_CONTROLLER_KEY,
    changes: () => LMC_CONTROLLER_KEY,
    isSingle: true,
  },
];

/** Of what `update` and `edit` take besides: the states that somebody else writes as a rule. */
const STATES: Readonly<Record<string, (id: string) => string>> = {'pb-state': pbStateKey, 'eb-state': ebStateKey, 'deployment-state': deployStateKey};

export function findType(word: string): ObjectType | undefined {
  return OBJECT_TYPES.find(({name, aliases}) => name === word || aliases.includes(word));
}

/** @throws ControlPlaneError `invalid`: there is none of that name */
export function typeOf(word: string | undefined): ObjectType {
  const type = word === undefined ? undefined : findType(word);
  if (type !== undefined) return type;
  const known = OBJECT_TYPES.map(({name}) => name).join(', ');
  throw new ControlPlaneError(
    'invalid',
    word === undefined ? `which type of object? (${known})` : `there is no type ${JSON.stringify(word)} (${known})`,
  );
}

/** The key of an object. @throws ControlPlaneError `invalid`: no id was given */
export function keyOf(type: ObjectType, id: string | undefined): string {
  return type.keyOf(idOf(type, id));
}

/** What `update` and `edit` change. @throws ControlPlaneError `invalid` */
export function changedKey(word: string | undefined, id: string | undefined): string {
  const state = STATES[word ?? ''];
  if (state === undefined) {
    const type = typeOf(word);
    return type.changes(idOf(type, id));
  }
  if (id === undefined) throw new ControlPlaneError('invalid', `${word}: its id is missing`);
  return state(id);
}

function idOf({name, isSingle}: ObjectType, id: string | undefined): string {
  if (id === undefined && isSingle !== true) throw new ControlPlaneError('invalid', `${name}: its id is missing`);
  return id ?? '';
}
