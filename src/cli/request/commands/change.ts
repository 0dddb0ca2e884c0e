import {onlyId} from '../command.ts';
import type {Command} from '../command.ts';

type Change = 'stop' | 'suspend' | 'resume' | 'retry';

/** A command that changes one request and says so. The server takes note of what is wanted and answers at once; `status` shows what becomes of it. */
function changing(name: Change, done: string, summary: string): Command {
  const facts = {name, usage: '<id>', summary};
  return {
    ...facts,
    run: async ({line, api, out}) => {
      const id = onlyId(facts, line.args);
      await api[`${name}Request`](id);
      out.write(`OK, ${done} ${id}\n`);
      return 0;
    },
  };
}

export const stop = changing('stop', 'stopped', 'stop a request');
export const suspend = changing('suspend', 'suspended', 'park a running request: its jobs are stopped, its tries are kept');
export const resume = changing('resume', 'resumed', 'let a suspended request go on');
export const retry = changing('retry', 'retrying', 'run a failed request again from its failed jobs');
