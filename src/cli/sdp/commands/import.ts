import {ControlPlaneError} from '../../../lib/errors.ts';
import {scriptKey} from '../../../schema/keys.ts';
import {say} from '../command.ts';
import type {SdpCommand} from '../command.ts';
import {parseDefinitions, readDefinitions} from '../definitions.ts';
import {valueText} from '../value.ts';

const WORDS = ['scripts', 'script', 'workflows', 'workflow'];

export const imports: SdpCommand = {
  name: 'import',
  usage: ['scripts FILE_OR_URL [--sync]'],
  summary: 'registers the scripts of a file; with --sync removes all others',
  run: async (context) => {
    const {db, options, args} = context;
    const [word = '', source, ...more] = args;
    if (!WORDS.includes(word) || source === undefined || more.length > 0)
      throw new ControlPlaneError('invalid', 'import: give scripts and a file or URL');
    const wanted = parseDefinitions(await readDefinitions(source));
    const present = await db.transact((tx) => tx.scripts.list());
    let changes = 0;
    // Each in a transaction of its own: a catalogue may be larger than one takes, and what was done stays done.
    for (const [id, value] of wanted) {
      const key = scriptKey(id);
      const text = valueText(key, value);
      const change = await db.transact(async (tx) => {
        const before = await tx.get(key);
        if (before === undefined) await tx.create(key, text);
        else if (before !== text) await tx.update(key, text);
        return before === undefined ? 'Creating' : before === text ? undefined : 'Updating';
      });
      if (change === undefined) continue;
      changes++;
      say(context, `${change} ${id}`);
    }
    for (const id of options.sync ? present.filter((each) => !wanted.has(each)) : []) {
      await db.transact(async (tx) => tx.delete(scriptKey(id), {mustExist: false}));
      changes++;
      say(context, `Deleting ${id}`);
    }
    say(context, changes === 0 ? 'No changes' : 'Import finished successfully.');
  },
};
