import type {ClientTransaction} from '../../client/index.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {findType, keyOf} from './object-types.ts';

/** A key and its text; `undefined`: there is none. */
export type KeyAndText = readonly [key: string, text: string | undefined];

/**
 * What `get` and `watch` show: one key by its path, or an object with all that belongs to it. A part of a processing block's id stands for all blocks whose
 * id contains it, where there is none of exactly that id.
 *
 * @throws ControlPlaneError `invalid`: neither a path nor an object
 */
export async function chosenKeys(tx: ClientTransaction, args: readonly string[]): Promise<readonly KeyAndText[]> {
  const [word, id, ...more] = args;
  const type = word === undefined ? undefined : findType(word);
  if (word === undefined || more.length > 0 || (type === undefined && id !== undefined)) {
    throw new ControlPlaneError('invalid', 'give one key, or a type of object and an id');
  }
  if (type === undefined) return [[word, await tx.get(word)]];
  const key = keyOf(type, id);
  if (type.name !== 'pb') return [[key, await tx.get(key)]];
  const under = await tx.list('/pb/', {recurse: 1, noticeDeletes: false});
  const exact = under.filter((each) => each === key || each.startsWith(`${key}/`));
  const found = exact.length > 0 ? exact : under.filter((each) => each.split('/')[2]?.includes(id as string));
  if (found.length === 0) return [[key, await tx.get(key)]];
  return Promise.all(found.map(async (each) => [each, await tx.get(each)] as const));
}
