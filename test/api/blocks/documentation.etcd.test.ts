import {readFileSync} from 'node:fs';
import {expect, test} from 'vitest';
import {v2Routes} from '../../../src/api/app.ts';
import type {RouteDeps} from '../../../src/api/deps.ts';
import {pbStateKey} from '../../../src/schema/keys.ts';
import {blockApi} from '../../support/block-api.ts';
import {EventReader} from '../../support/event-reader.ts';

const blocks = blockApi();
const {ask, put} = blocks;

/** One example of the document: a request, and what is shown of its answer. */
interface Example {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  readonly answer: string;
}

function examplesIn(document: string): Example[] {
  return [...document.matchAll(/^```http\n([\s\S]*?)^```$/gm)].map(([, text = '']) => {
    const [request = '', ...answer] = text.split('\n\n');
    const [first = '', ...lines] = request.split('\n');
    const [method = '', path = ''] = first.split(' ');
    const from = lines.findIndex((line) => line.startsWith('{'));
    const headers = (from < 0 ? lines : lines.slice(0, from)).map((line) => line.split(': ') as [string, string]);
    return {
      method,
      path,
      headers: Object.fromEntries(headers),
      body: from < 0 ? undefined : lines.slice(from).join('\n'),
      answer: answer.join('\n\n').trim(),
    };
  });
}

const examples = examplesIn(readFileSync(new URL('../../../docs/blocks.md', import.meta.url), 'utf8'));

/** Gives the state that the processing controller would to blocks without one. */
async function pickUp(): Promise<void> {
  for (const {id, state} of (await ask('GET', '/pb')).body.processing_blocks as {id: string; state: unknown}[]) {
    if (state === null) await put(pbStateKey(id), {status: 'STARTING', resources_available: false});
  }
}

test('every example in docs/blocks.md is answered as it says there', async () => {
  let ownerRevision = '';
  for (const {method, path, headers: written, body, answer} of examples) {
    const headers = Object.fromEntries(Object.entries(written).map(([name, value]) => [name, value.replace('OWNER_REVISION', ownerRevision)]));
    if (headers['Accept'] === 'text/event-stream') {
      const reader = await EventReader.open(blocks.api.url + path);
      const expected = answer.split('\n\n').map((event) => {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        return {event: /^event: (.*)$/m.exec(event)?.[1], ...(data === undefined ? {} : {data: JSON.parse(data)})};
      });
      expect(await reader.next(expected.length)).toMatchObject(expected);
      reader.close();
      continue;
    }
    const got = await ask(method, path, {headers, ...(body === undefined ? {} : {body})});
    const status = Number(answer.slice(0, 3));
    expect(got, `${method} ${path}`).toMatchObject({status, body: JSON.parse(answer.slice(4))});
    ownerRevision = String(got.body.owner_revision ?? ownerRevision);
    await pickUp();
  }
});

test('every route of blocks, scripts and deployments has an example there', () => {
  const routes = v2Routes({config: {publicAddress: ''}} as RouteDeps).filter(({path}) => /^\/(eb|pb|script|deploy)(\/|$)/.test(path));
  const lacking = routes.filter(({method, path}) => {
    const pattern = new RegExp(`^/v2${path.replace(/:\w+/g, '[^/?]+')}(\\?|$)`);
    return !examples.some((each) => each.method.toLowerCase() === method && pattern.test(each.path));
  });
  expect(lacking.map(({method, path}) => `${method} ${path}`)).toEqual([]);
});
