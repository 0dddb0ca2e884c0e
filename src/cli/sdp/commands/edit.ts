import {ControlPlaneError, hasCode} from '../../../lib/errors.ts';
import {say, shown} from '../command.ts';
import type {SdpCommand} from '../command.ts';
import {editText} from '../editor.ts';
import {changedKey} from '../object-types.ts';
import {readObject, valueText} from '../value.ts';
import {stringify} from 'yaml';

export const edit: SdpCommand = {
  name: 'edit',
  usage: ['pb | pb-state | script | eb | deployment | subarray ID', 'controller'],
  summary: 'opens the value in $EDITOR, as YAML; of a processing block, its state',
  run: async (context) => {
    const {db, env} = context;
    const [word, id, ...more] = context.args;
    if (more.length > 0) throw new ControlPlaneError('invalid', `edit: ${JSON.stringify(more[0])} is too much`);
    const key = changedKey(word, id);
    const editor = env['EDITOR'] ?? '';
    if (editor === '') throw new ControlPlaneError('invalid', 'EDITOR is not set: nothing was changed');
    const present = await db.get(key);
    if (present.text === undefined) throw new ControlPlaneError('not_found', `No match for ${shown(context, key)}`);
    const before = readObject(present.text, shown(context, key));
    const file = await editText(editor, `# ${shown(context, key)}\n${stringify(before)}`, env);
    try {
      const text = valueText(key, readObject(file.text, 'what was edited'));
      if (text === valueText(key, before)) {
        say(context, 'No change!');
      } else {
        await db.update(key, text, {expected: present});
        say(context, `${shown(context, key)} updated.`);
      }
    } catch (err) {
      const reason = hasCode(err, 'revision_conflict') ? `${shown(context, key)} has changed meanwhile` : ControlPlaneError.from(err).detail;
      throw new ControlPlaneError('invalid', `${reason}; what was edited is in ${file.keep()}`, {cause: err});
    } finally {
      await file.remove();
    }
  },
};
