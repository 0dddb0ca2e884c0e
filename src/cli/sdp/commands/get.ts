import {chosenKeys} from '../chosen-keys.ts';
import type {KeyAndText} from '../chosen-keys.ts';
import {say, shown} from '../command.ts';
import type {SdpCommand, SdpContext} from '../command.ts';

const USAGE = ['KEY', 'pb | script | deployment | eb | subarray ID', 'controller'];

export const get: SdpCommand = {
  name: 'get',
  usage: USAGE,
  summary: 'shows the value of a key',
  run: async (context) => show(context, await context.db.transact((tx) => chosenKeys(tx, context.args))),
};

export const watch: SdpCommand = {
  name: 'watch',
  usage: USAGE,
  summary: 'shows it again whenever it changes, until Ctrl-C',
  run: async (context) => {
    for await (const round of context.db.watcher({signal: context.interrupt})) {
      show(context, await round.transact((tx) => chosenKeys(tx, context.args)));
    }
  },
};

function show(context: SdpContext, found: readonly KeyAndText[]): void {
  for (const [key, text] of found) say(context, context.options.quiet ? (text ?? 'None') : `${shown(context, key)} = ${text ?? 'None'}`);
}
