import type {ServerResponse} from 'node:http';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {ApiClient} from '../../../src/engines/kubernetes/api-client.ts';
import {Informer} from '../../../src/engines/kubernetes/informer.ts';
import type {InformerTimes} from '../../../src/engines/kubernetes/informer.ts';
import type {ApiObject} from '../../../src/engines/kubernetes/objects.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {eventually} from '../../support/eventually.ts';
import {FakeApi, refuse} from './fake-api.ts';
import type {Asked} from './fake-api.ts';

const TIMES: InformerTimes = {idleMs: 60_000, watchMs: 60_000, relistMs: 600_000, backoffMs: {first: 1, longest: 20}};

let api: FakeApi;
let client: ApiClient;
let running: AbortController;
let ended: Promise<void> | undefined;
/** What was told, as `name@version`, with `-` before what is gone. */
let told: string[];
/** Watches that are open. */
let watches: {readonly from: string | null; readonly response: ServerResponse}[];
let pages: readonly (readonly string[])[];
let version: number;

beforeEach(async () => {
  api = await new FakeApi().start();
  client = new ApiClient({load: () => Promise.resolve(api.config()), limits: {perSecond: 1e6, burst: 1e6, inFlight: 8}, clock: systemClock});
  running = new AbortController();
  [told, watches, pages, version, ended] = [[], [], [[]], 10, undefined];
  api.answer = serve;
});
afterEach(async () => {
  running.abort();
  await ended;
  client.close();
  await api.stop();
});

function anObject(name: string, resourceVersion = '1'): ApiObject {
  return {metadata: {name, resourceVersion}};
}

function serve({query}: Asked, response: ServerResponse): void {
  if (query.get('watch') === 'true') {
    response.writeHead(200);
    response.flushHeaders();
    watches.push({from: query.get('resourceVersion'), response});
    return;
  }
  const at = Number(query.get('continue') ?? 0);
  const metadata = {resourceVersion: String(version), ...(at + 1 < pages.length ? {continue: String(at + 1)} : {})};
  response.end(JSON.stringify({metadata, items: pages[at]?.map((name) => anObject(name))}));
}

function start(times: Partial<InformerTimes> = {}): Informer<ApiObject, string> {
  const informer = new Informer<ApiObject, string>({
    ...{client, labelSelector: 'a=b', times: {...TIMES, ...times}, clock: systemClock, log: silentLog},
    path: () => Promise.resolve('/things'),
    read: ({metadata}) => `${metadata.name}@${metadata.resourceVersion}`,
    onChange: (value, isGone) => told.push(`${isGone ? '-' : ''}${value}`),
  });
  ended = informer.run(running.signal);
  return informer;
}

const untilWatches = (count: number): Promise<void> => eventually(() => expect(watches).toHaveLength(count));

function send(type: string, object: unknown): void {
  watches.at(-1)?.response.write(`${JSON.stringify({type, object})}\n`);
}

test('it lists in pages, watches from there with bookmarks, and tells each change', async () => {
  pages = [['a', 'b'], ['c']];
  const informer = start();
  expect(informer.isFresh).toBe(false);
  await untilWatches(1);
  expect(told).toEqual(['a@1', 'b@1', 'c@1']);
  expect(watches[0]?.from).toBe('10');
  expect(api.asked.at(-1)?.query.get('allowWatchBookmarks')).toBe('true');
  expect(api.asked.every(({query}) => query.get('labelSelector') === 'a=b')).toBe(true);
  send('MODIFIED', anObject('a', '11'));
  send('ADDED', anObject('d', '12'));
  send('DELETED', anObject('b', '13'));
  await eventually(() => expect(told.slice(3)).toEqual(['a@11', 'd@12', '-b@13']));
  expect([...informer.values()].sort()).toEqual(['a@11', 'c@1', 'd@12']);
  expect(informer.isFresh).toBe(true);
});

test('a watch that the server ends goes on where it was, also after a bookmark alone, without a list', async () => {
  start();
  await untilWatches(1);
  send('BOOKMARK', anObject('', '20'));
  await eventually(() => expect(told).toEqual([]));
  watches[0]?.response.end();
  await untilWatches(2);
  expect(watches[1]?.from).toBe('20');
  watches[1]?.response.destroy();
  await untilWatches(3);
  expect(watches[2]?.from).toBe('20');
  expect(api.asked.filter(({query}) => query.get('watch') === null)).toHaveLength(1);
});

test.each(['as an event', 'as an answer'])('a version that is too old, said %s, is listed anew; what is missing then is gone', async (how) => {
  pages = [['a', 'b']];
  start();
  await untilWatches(1);
  pages = [['a']];
  version = 30;
  if (how === 'as an event') send('ERROR', {kind: 'Status', code: 410, reason: 'Expired', message: 'too old'});
  else {
    let left = 1;
    api.answer = (asked, response) => (asked.query.get('watch') === 'true' && left-- > 0 ? refuse(response, 410, 'Expired') : serve(asked, response));
    watches[0]?.response.end();
  }
  await untilWatches(2);
  expect(watches[1]?.from).toBe('30');
  expect(told).toEqual(['a@1', 'b@1', '-b@1', 'a@1']);
});

test('a watch that falls silent is given up, and its successor misses nothing', async () => {
  start({idleMs: 100});
  await untilWatches(1);
  send('ADDED', anObject('a', '11'));
  await eventually(() => expect(watches.length).toBeGreaterThan(1));
  expect(watches[1]?.from).toBe('11');
});

test.each([
  ['garbage', 'no json\n'],
  ['no object', '{"type": "ADDED"}\n'],
  ['half a line', '{"type": "ADDED", "obj'],
])('%s in a watch breaks it, and another one goes on', async (_what, text) => {
  start();
  await untilWatches(1);
  send('ADDED', anObject('a', '11'));
  watches[0]?.response.end(text);
  await untilWatches(2);
  expect(watches[1]?.from).toBe('11');
});

test('an event in pieces is put together', async () => {
  start();
  await untilWatches(1);
  const line = `${JSON.stringify({type: 'ADDED', object: anObject('ä', '11')})}\n`;
  const bytes = Buffer.from(line + line);
  for (const byte of bytes) watches[0]?.response.write(Buffer.from([byte]));
  await eventually(() => expect(told).toEqual(['ä@11', 'ä@11']));
});

test('a server that refuses again and again is asked less and less often, and at once when it is back for good', async () => {
  let isAway = true;
  api.answer = (asked, response) => (isAway ? refuse(response, 403, 'Forbidden') : serve(asked, response));
  const informer = start({backoffMs: {first: 1, longest: 50}});
  await eventually(() => expect(api.asked.length).toBeGreaterThan(5));
  expect(informer.isFresh).toBe(false);
  isAway = false;
  await untilWatches(1);
  expect(informer.isFresh).toBe(true);
});

test('everything is listed again from time to time, should an event have been lost', async () => {
  start({relistMs: 0});
  await untilWatches(1);
  pages = [['lost']];
  watches[0]?.response.end();
  await untilWatches(2);
  expect(told).toEqual(['lost@1']);
});
