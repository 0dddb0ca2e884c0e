import {hasCode} from '../../src/client/index.ts';
import type {ConfigDatabase} from '../../src/client/index.ts';

/** Notes a text under a key, whether it is there or not, and gives all notes. Without a transaction each call stands alone. */
export async function note(db: ConfigDatabase, name: string, text: string): Promise<readonly string[]> {
  const key = `/notes/${name}`;
  try {
    await db.create(key, text);
  } catch (err) {
    if (!hasCode(err, 'already_exists')) throw err;
    const present = await db.get(key);
    // Refused with `revision_conflict` should somebody else have written it meanwhile.
    await db.update(key, `${present.text}, ${text}`, {expected: present});
  }
  const {keys, revision} = await db.list('/notes/');
  const texts = await Promise.all(keys.map((each) => db.get(each, {revision})));
  return texts.map((each) => each.text ?? '');
}
