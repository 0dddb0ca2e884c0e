import {expect, test} from 'vitest';
import {pbKey} from '../../../src/schema/keys.ts';
import {SCRIPT, blockApi} from '../../support/block-api.ts';
import {eventually} from '../../support/eventually.ts';

const {ask, put, newPb} = blockApi();

test.each([6000, 80_000])('a block that is nested %i levels deep is damaged, and hides no other', async (depth) => {
  const sound = await newPb();
  const id = `pb-deep-20260101-${String(depth).slice(0, 5)}`;
  const deep = `${'['.repeat(depth)}1${']'.repeat(depth)}`;
  await put(pbKey(id), `{"pb_id":"${id}","script":${JSON.stringify(SCRIPT)},"parameters":{"text":"[\\"[","a":${deep}}}`);
  await eventually(async () => {
    const {status, body} = await ask('GET', '/pb');
    expect(status).toBe(200);
    expect(body.processing_blocks.map((each: {id: string}) => each.id)).toContain(sound);
    expect(body.damaged.map((each: {key: string}) => each.key)).toContain(pbKey(id));
  });
  expect(await ask('GET', `/pb/${id}`)).toMatchObject({
    status: 409,
    reason: `${pbKey(id)} is damaged: processing block is nested more than 1000 levels deep`,
  });
  expect((await ask('DELETE', `/pb/${id}`)).status).toBe(200);
});
