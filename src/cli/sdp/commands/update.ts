import {ControlPlaneError} from '../../../lib/errors.ts';
import {say, shown} from '../command.ts';
import type {SdpCommand} from '../command.ts';
import {changedKey, findType} from '../object-types.ts';
import {readObject, valueText} from '../value.ts';
import {edit} from './edit.ts';

export const update: SdpCommand = {
  name: 'update',
  usage: [
    'pb-state | eb-state | deployment-state ID VALUE',
    'script | eb | deployment | subarray ID VALUE',
    'controller VALUE',
    '… --edit, without VALUE',
  ],
  summary: 'replaces the value of an object; of a processing block, its state',
  run: async (context) => {
    if (context.options.edit) return edit.run(context);
    const [word, ...rest] = context.args;
    const isSingle = findType(word ?? '')?.isSingle === true;
    const [id, value, ...more] = isSingle ? [undefined, ...rest] : rest;
    if (value === undefined || more.length > 0) {
      throw new ControlPlaneError('invalid', `update ${word ?? ''}: give ${isSingle ? 'a value' : 'an id and a value'}`);
    }
    const key = changedKey(word, id);
    await context.db.update(key, context.options.raw ? value : valueText(key, readObject(value, 'the value')));
    say(context, `${shown(context, key)} updated.`);
  },
};
