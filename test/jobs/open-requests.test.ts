import {fileURLToPath} from 'node:url';
import {expect, test} from 'vitest';
import {openRequests} from '../../src/jobs/open-requests.ts';
import type {Requests} from '../../src/jobs/open-requests.ts';
import {eventually} from '../support/eventually.ts';
import {logLines} from '../support/log-lines.ts';

const open = (jobsModule: string, log: ReturnType<typeof logLines>['log']): Promise<Requests> =>
  openRequests({specs: '', jobsModule, defaultCluster: 'local', env: {}, log});

test('a module of job classes that cannot be loaded is logged at the start, with its path', async () => {
  const {log, lines} = logLines();
  const requests = await open('/no/such/module.ts', log);
  await eventually(() =>
    expect(lines).toContainEqual(expect.objectContaining({module: '/no/such/module.ts', msg: 'the module of job classes cannot be used'})),
  );
  await requests.close();
});

test('a process that ends before its module of job classes is loaded has nothing to tell of it', async () => {
  const {log, lines} = logLines();
  const requests = await open(fileURLToPath(new URL('./odd-jobs.ts', import.meta.url)), log);
  await requests.close();
  expect(lines).toEqual([]);
});
