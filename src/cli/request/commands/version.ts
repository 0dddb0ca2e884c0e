import {programVersion} from '../../../lib/version.ts';
import type {Command} from '../command.ts';

export const version: Command = {
  name: 'version',
  usage: '',
  summary: 'show the version of this program',
  run: ({out}) => {
    out.write(`scanplane ${programVersion()}\n`);
    return Promise.resolve(0);
  },
};
