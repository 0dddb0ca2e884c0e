import {ControlPlaneError} from '../../../lib/errors.ts';
import {ask} from '../../prompt.ts';
import {say, shown, tell} from '../command.ts';
import type {SdpCommand, SdpContext} from '../command.ts';
import {keyOf, typeOf} from '../object-types.ts';
import type {ObjectType} from '../object-types.ts';

/** Keys that go in one transaction, with what etcd compares for them. */
const AT_ONCE = 50;
const DEPTH = 32;

export const remove: SdpCommand = {
  name: 'delete',
  usage: [
    'pb | eb | deployment | subarray ID',
    'script KIND:NAME:VERSION',
    '-a pb | script | eb | deployment | subarray [--yes]',
    '-a prefix --prefix PATH [--yes]',
  ],
  summary: 'removes an object with all that belongs to it, or with -a all of a type',
  run: async (context) => (context.options.all ? removeAll(context) : removeOne(context)),
};

async function removeOne(context: SdpContext): Promise<void> {
  const [word, id, ...more] = context.args;
  const type = typeOf(word);
  if (more.length > 0) throw new ControlPlaneError('invalid', `delete ${type.name}: ${JSON.stringify(more[0])} is too much`);
  const key = keyOf(type, id);
  // Together, as whoever sees a part of an object takes it for damaged. What is left of a deployment its controller removes when nothing of it runs.
  const gone = await context.db.delete(key, {recursive: type.name !== 'deployment'});
  for (const each of gone) tell(context, shown(context, each));
  say(context, `Deleted above keys with prefix ${shown(context, key)}.`);
}

async function removeAll(context: SdpContext): Promise<void> {
  const {db, options, args} = context;
  const [word, ...more] = args;
  if (more.length > 0) throw new ControlPlaneError('invalid', `delete -a: ${JSON.stringify(more[0])} is too much`);
  const isAll = word === 'prefix';
  if (isAll && options.prefix === '') throw new ControlPlaneError('invalid', 'delete -a prefix: which? Give --prefix PATH');
  const type = isAll ? undefined : typeOf(word);
  const path = type?.path ?? '';
  const what = type === undefined ? `with prefix ${options.prefix}` : `of type ${type.name}`;
  say(context, `You are attempting to delete all entries ${what} from the Configuration DB.`);
  if (!options.yes && (await ask(context, 'Continue? (yes, no) ', 'nothing was deleted')).trim() !== 'yes') return say(context, 'Aborted');
  const gone = new Set<string>();
  for (;;) {
    const keys = await db.transact((tx) => tx.list(pathOf(type), {recurse: DEPTH, noticeDeletes: false, noticeCreates: false}));
    const some = keys.filter((key) => isWanted(type, key)).slice(0, AT_ONCE);
    if (some.length === 0) break;
    const [first] = some;
    // A key that is no text (etcd takes any bytes) has another name here than there; or somebody makes them as fast as they go.
    if (first !== undefined && some.every((key) => gone.has(key))) {
      throw new ControlPlaneError('invalid', `${shown(context, first)} was deleted and is there still: its name is no text, or it is made again`);
    }
    for (const key of some) gone.add(key);
    await db.transact(async (tx) => {
      for (const key of some) await tx.delete(key, {mustExist: false});
    });
    for (const key of some) tell(context, shown(context, key));
  }
  say(context, `Deleted above keys with prefix ${shown(context, path)}.`);
}

const pathOf = (type: ObjectType | undefined): string => (type === undefined ? '/' : type.isSingle === true ? type.path : `${type.path}/`);

/** Of deployments the key itself: what is left of one its controller removes when nothing of it runs. */
function isWanted(type: ObjectType | undefined, key: string): boolean {
  if (type === undefined) return true;
  return type.isSingle === true ? key === type.path : type.name !== 'deployment' || key.split('/').length === 3;
}
