import type {Command, Context} from '../command.ts';
import {onlyId} from '../command.ts';
import type {RequestApi} from '../request-api.ts';

/** A command that changes one request and says so. The server takes note of what is wanted and answers at once; `status` shows what becomes of it. */
function changing(name: string, summary: string, change: (api: RequestApi, id: string) => Promise<unknown>, done: string): Command {
  const command = {name, usage: '<id>', summary};
  return {
    ...command,
    run: async ({line, api, out}: Context) => {
      const id = onlyId(command, line.args);
      await change(api, id);
      out.write(`OK, ${done} ${id}\n`);
      return 0;
    },
  };
}

export const stop = changing('stop', 'stop a request', (api, id) => api.stop(id), 'stopped');
export const suspend = changing(
  'suspend',
  'park a running request: its jobs are stopped, its tries are kept',
  (api, id) => api.suspend(id),
  'suspended',
);
export const resume = changing('resume', 'let a suspended request go on', (api, id) => api.resume(id), 'resumed');
export const retry = changing('retry', 'run a failed request again from its failed jobs', (api, id) => api.retry(id), 'retrying');
