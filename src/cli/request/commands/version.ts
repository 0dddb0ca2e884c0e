import {readFileSync} from 'node:fs';
import type {Command} from '../command.ts';

export const version: Command = {
  name: 'version',
  usage: '',
  summary: 'show the version of this program',
  run: ({out}) => {
    const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
    out.write(`scanplane ${(JSON.parse(text) as {readonly version: string}).version}\n`);
    return Promise.resolve(0);
  },
};
