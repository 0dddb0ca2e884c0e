import {readFileSync, readdirSync} from 'node:fs';
import {expect, test} from 'vitest';
import {followDeployments} from '../../examples/library/follow.ts';
import {note} from '../../examples/library/keys.ts';
import {observe} from '../../examples/library/observe.ts';
import {workOn} from '../../examples/library/own-block.ts';
import {startBlocks} from '../../examples/library/start-blocks.ts';
import {waitForEnd} from '../../examples/library/wait-for-end.ts';
import type {KeyChange} from '../../src/client/index.ts';
import {useDatabase} from '../support/config-database.ts';

const on = useDatabase({prefixed: true});
const RECEIVE = {kind: 'realtime', name: 'receive', version: '1'};
const REDUCE = {kind: 'batch', name: 'reduce', version: '1'};

test('the documentation shows the examples as they are', () => {
  const documentation = readFileSync(new URL('../../docs/library.md', import.meta.url), 'utf8');
  const directory = new URL('../../examples/library/', import.meta.url);
  for (const name of readdirSync(directory)) {
    const text = readFileSync(new URL(name, directory), 'utf8').replaceAll('../../src/client/index.ts', 'scanplane');
    expect(documentation).toContain(`\`\`\`ts\n${text}\`\`\``);
  }
});

test('keys are noted, and noted again', async () => {
  await note(on.db, 'b', 'one');
  await note(on.db, 'a', 'two');
  expect(await note(on.db, 'b', 'three')).toEqual(['two', 'one, three']);
});

test('blocks are started together, worked on by one owner, and waited for', async () => {
  const created: string[] = [];
  await expect(startBlocks(on.db, RECEIVE, REDUCE, (id) => created.push(id))).rejects.toThrow('there is no script');
  await on.db.transact(async (tx) => {
    for (const script of [RECEIVE, REDUCE]) await tx.scripts.create(script, {command: ['true']});
  });
  const ids = await startBlocks(on.db, RECEIVE, REDUCE, (id) => created.push(id));
  expect(created).toHaveLength(1);
  const end = waitForEnd(on.connect(), created[0] as string);
  for (const id of ids) {
    const worked = workOn(on.db, id, async () => {
      await expect(workOn(on.connect(), id, async () => {})).rejects.toMatchObject({code: 'already_exists'});
    });
    expect(await worked).toBe(true);
  }
  expect(await end).toEqual(Object.fromEntries(ids.map((id) => [id, 'FINISHED'])));
});

test('an owner whose key was taken away writes no state', async () => {
  await on.db.transact((tx) => tx.processingBlocks.create({pb_id: 'pb-a', script: REDUCE}));
  expect(await workOn(on.db, 'pb-a', async () => void (await on.db.delete('/pb/pb-a/owner')))).toBe(false);
  expect((await on.db.transact((tx) => tx.processingBlocks.state('pb-a').get()))?.status).toBe('RUNNING');
});

test('deployments are followed from what is there', async () => {
  const put = (id: string): Promise<void> => on.db.transact((tx) => tx.deployments.create({id, type: 'helm', args: {chart: 'c'}}));
  await put('first');
  const seen: KeyChange[] = [];
  const stop = new AbortController();
  const both = Promise.withResolvers<void>();
  const following = followDeployments(
    on.db,
    (change) => {
      seen.push(change);
      if (seen.length === 1) void put('second');
      else both.resolve();
    },
    stop.signal,
  );
  await both.promise;
  stop.abort();
  await following;
  expect(seen.map(({path}) => path)).toEqual(['/deploy/first', '/deploy/second']);
});

test('a subarray observes one scan', async () => {
  const command = (name: 'On' | 'AssignResources', argument?: object): Promise<void> =>
    on.db.transact((tx) => tx.subarrays.command('01', name, argument));
  await command('On');
  await command('AssignResources', {eb_id: 'eb-a', scan_types: [{scan_type_id: 'science'}]});
  await observe(on.db, '01', 'science', 1);
  expect(await on.db.transact((tx) => tx.subarrays.obsState('01'))).toBe('IDLE');
});
