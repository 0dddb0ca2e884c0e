import {ControlPlaneError} from '../../../lib/errors.ts';
import {parseScriptId} from '../../../schema/block-ids.ts';
import {say, shown, tell} from '../command.ts';
import type {SdpCommand, SdpContext} from '../command.ts';
import {typeOf} from '../object-types.ts';
import type {ObjectType} from '../object-types.ts';

/** Levels below the first that are shown. */
const DEPTH = 8;

/** What is to be listed, and what it is called. */
interface Wanted {
  readonly path: string;
  readonly header: string;
  has(key: string): boolean;
}

export const list: SdpCommand = {
  name: 'list',
  usage: ['-a', 'pb [YYYYMMDD]', 'script [KIND]', 'deployment | eb | subarray | controller'],
  summary: 'shows keys, with -v their values',
  run: async (context) => {
    const {options, db} = context;
    const wanted = wantedOf(context);
    const {entries} = await db.values(wanted.path, {recurse: DEPTH});
    tell(context, `${wanted.header}: `);
    for (const {path: key, text} of entries.filter((each) => wanted.has(each.path))) {
      say(context, !options.values ? shown(context, key) : options.quiet ? text : `${shown(context, key)} = ${text}`);
    }
  },
};

/** @throws ControlPlaneError `invalid` */
function wantedOf(context: SdpContext): Wanted {
  const {args, options} = context;
  if (options.all) return {path: '/', header: `Keys with prefix ${shown(context, '/')}`, has: () => true};
  const [word, narrower, ...more] = args;
  const type = typeOf(word);
  const all = {
    path: type.isSingle === true ? type.path : `${type.path}/`,
    has: (key: string): boolean => type.isSingle !== true || key === type.path,
  };
  if (narrower === undefined) return {...all, header: `Keys with prefix ${shown(context, type.path)}`};
  const only = narrow(type, narrower);
  if (only === undefined || more.length > 0)
    throw new ControlPlaneError('invalid', `list ${type.name}: ${JSON.stringify(more[0] ?? narrower)} is too much`);
  return {...all, ...only};
}

function narrow({name}: ObjectType, by: string): Omit<Wanted, 'path'> | undefined {
  if (name === 'pb') {
    return {header: `Processing blocks for date ${by}`, has: (key) => key.split('/')[2]?.split('-').includes(by) === true};
  }
  if (name === 'script') {
    const kind = by.toLowerCase();
    return {header: `Script definitions of kind ${by}`, has: (key) => parseScriptId(key.slice('/script/'.length))?.kind.toLowerCase() === kind};
  }
  return undefined;
}
