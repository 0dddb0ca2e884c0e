import {ControlPlaneError} from '../../../lib/errors.ts';
import {changeEb} from '../../../model/eb-change.ts';
import {say, shown} from '../command.ts';
import type {SdpCommand} from '../command.ts';
import {keyOf, typeOf} from '../object-types.ts';

export const end: SdpCommand = {
  name: 'end',
  usage: ['eb ID'],
  summary: 'has an execution block FINISHED, and so its realtime processing blocks',
  run: async (context) => {
    const {db, clock, args} = context;
    const [word, id, ...more] = args;
    const type = typeOf(word);
    if (type.name !== 'eb' || id === undefined || more.length > 0) throw new ControlPlaneError('invalid', 'end: give eb and its id');
    const key = shown(context, keyOf(type, id));
    const isChanged = await db.transact(async (tx) => {
      const block = await tx.executionBlocks.get(id);
      if (block === undefined) throw new ControlPlaneError('not_found', `No match for ${key}`);
      // What is stored apart has been taken in: `update` puts each member where it belongs.
      const outcome = changeEb(block, undefined, {status: 'FINISHED'}, clock.now());
      if (outcome.kind === 'refused') throw new ControlPlaneError('wrong_state', outcome.reason);
      if (outcome.kind === 'write') await tx.executionBlocks.update(outcome.block);
      return outcome.kind === 'write';
    });
    say(context, isChanged ? `${key} updated.` : 'No change!');
  },
};
