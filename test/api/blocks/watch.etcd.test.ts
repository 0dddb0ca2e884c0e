import {afterEach, describe, expect, test} from 'vitest';
import {pbKey, pbStateKey, scriptKey} from '../../../src/schema/keys.ts';
import {SCRIPT, blockApi} from '../../support/block-api.ts';
import {EventReader} from '../../support/event-reader.ts';

const stopping = new AbortController();
const blocks = blockApi({stopping: stopping.signal});
const {ask, put, remove, newPb, refused} = blocks;

const readers: EventReader[] = [];
afterEach(() => {
  for (const reader of readers.splice(0)) reader.close();
});

async function watch(path: string, lastEventId?: string): Promise<EventReader> {
  const reader = await EventReader.open(blocks.api.url + path, lastEventId);
  readers.push(reader);
  return reader;
}

describe('watching by server-sent events', () => {
  test('tells what is there, that this was all, then what changes', async () => {
    await newPb({pb_id: 'w1-a', script: {...SCRIPT, name: 'w1'}});
    await newPb({pb_id: 'w1-b', script: {...SCRIPT, name: 'w1'}});
    const reader = await watch('/pb?name=w1');
    expect(await reader.next(3)).toMatchObject([
      {event: 'put', data: {id: 'w1-a', spec: {pb_id: 'w1-a'}, state: {status: 'STARTING'}}},
      {event: 'put', data: {id: 'w1-b'}},
      {event: 'synced'},
    ]);
    const revision = await put(pbStateKey('w1-b'), {status: 'WAITING', resources_available: true});
    expect(await reader.next(1)).toMatchObject([{event: 'put', id: String(revision), data: {id: 'w1-b', state: {resources_available: true}}}]);
    await ask('DELETE', '/pb/w1-a');
    expect(await reader.next(1)).toMatchObject([{event: 'delete', data: {id: 'w1-a'}}]);
    await newPb({pb_id: 'w1-c', script: {...SCRIPT, name: 'w1'}});
    expect((await reader.next(1))[0]).toMatchObject({event: 'put', data: {id: 'w1-c'}});
  });

  test('of one object tells of that alone, also that it goes and comes again', async () => {
    const id = await newPb({pb_id: 'w2'});
    const reader = await watch(`/pb/${id}`);
    expect(await reader.next(2)).toMatchObject([{event: 'put', data: {id}}, {event: 'synced'}]);
    await newPb({pb_id: 'w2-other'});
    await put(pbStateKey(id), {status: 'WAITING'});
    expect(await reader.next(1)).toMatchObject([{event: 'put', data: {id, state: {status: 'WAITING'}}}]);
    await ask('DELETE', `/pb/${id}`);
    expect(await reader.next(1)).toMatchObject([{event: 'delete', data: {id}}]);
    await ask('POST', '/pb', {body: {pb_id: id, script: SCRIPT}});
    expect(await reader.next(1)).toMatchObject([{event: 'put', data: {id, state: null}}]);
    expect(await refused('GET', '/pb/w2-none', {headers: {accept: 'text/event-stream'}})).toBe('404 there is no processing block w2-none');
  });

  test('who comes back is told what was missed, deletions too, and nothing else', async () => {
    for (const n of [1, 2, 3]) await put(scriptKey(`w3:s:${n}`), {image: `${n}`});
    const first = await watch('/script?kind=w3');
    const seen = await first.next(4);
    expect(seen.at(-1)?.event).toBe('synced');
    first.close();
    await put(scriptKey('w3:s:2'), {image: 'changed'});
    await remove(scriptKey('w3:s:3'));
    const again = await watch('/script?kind=w3', seen.at(-1)?.id);
    const missed = await again.next(2);
    expect(missed).toMatchObject([
      {event: 'put', data: {id: 'w3:s:2', spec: {image: 'changed'}}},
      {event: 'delete', data: {id: 'w3:s:3'}},
    ]);
    const third = await watch('/script?kind=w3', missed.at(-1)?.id);
    await put(scriptKey('w3:s:1'), {image: 'last'});
    expect(await third.next(1)).toMatchObject([{event: 'put', data: {id: 'w3:s:1'}}]);
  });

  test('who comes back with what nobody remembers is told to begin anew', async () => {
    await put(scriptKey('w4:s:1'), {image: 'x'});
    for (const id of ['0', '999999999999999']) {
      const reader = await watch('/script?kind=w4', id);
      expect(await reader.next(3)).toMatchObject([{event: 'reset'}, {event: 'put', data: {id: 'w4:s:1'}}, {event: 'synced'}]);
    }
    expect(await refused('GET', '/script', {headers: {accept: 'text/event-stream', 'last-event-id': 'x'}})).toMatch(/^400 Last-Event-ID/);
  });

  test('an id says that all up to it was told: several that change in one transaction carry it last', async () => {
    const reader = await watch('/script?kind=w5');
    await reader.next(1);
    const ops = [1, 2, 3].map((n) => ({put: scriptKey(`w5:s:${n}`), value: '{}'}));
    const {revision} = await blocks.api.store.commit({compares: [], ops});
    expect((await reader.next(3)).map(({id}) => id)).toEqual([undefined, undefined, String(revision)]);
  });

  test('what stops to match is gone for the reader, what never matched is not told', async () => {
    await newPb({pb_id: 'w6-a'}, {status: 'WAITING'});
    const reader = await watch('/pb?status=WAITING');
    const there = await reader.until(({event}) => event === 'synced');
    expect(there.map(({data}) => (data as {id?: string}).id)).toContain('w6-a');
    await newPb({pb_id: 'w6-b'}, {status: 'RUNNING'});
    await put(pbStateKey('w6-a'), {status: 'RUNNING'});
    const told = await reader.until(({event}) => event === 'delete');
    expect(told.at(-1)?.data).toEqual({id: 'w6-a'});
    expect(told.some(({event}) => event === 'put')).toBe(false);
  });

  test('shows what is damaged as such, and what is mended', async () => {
    const reader = await watch('/script?kind=w7');
    await reader.next(1);
    await put(scriptKey('w7:s:1'), 'not json');
    expect(await reader.next(1)).toMatchObject([{event: 'put', data: {id: 'w7:s:1', spec: null, damaged: [{key: '/script/w7:s:1'}]}}]);
    await put(scriptKey('w7:s:1'), {image: 'x'});
    const [mended] = await reader.next(1);
    expect(mended).toMatchObject({event: 'put', data: {spec: {image: 'x'}}});
    expect(mended?.data).not.toHaveProperty('damaged');
  });

  test('a reader that does not read costs ids, not values, and ends up with what is so', async () => {
    await put(scriptKey('w8:s:1'), {image: '0', pad: 'x'.repeat(200_000)});
    const reader = await watch('/script?kind=w8');
    await reader.next(2);
    reader.pause();
    // More than the connection holds by itself.
    for (let n = 1; n <= 60; n++) await put(scriptKey('w8:s:1'), {image: String(n), pad: 'x'.repeat(500_000)});
    reader.resume();
    const told = await reader.until(({data}) => (data as {spec?: {image?: string}}).spec?.image === '60');
    expect(told.length).toBeLessThan(60);
  });

  test('events have no pages', async () => {
    const headers = {accept: 'text/event-stream'};
    expect(await refused('GET', '/pb?limit=1', {headers})).toBe("400 'limit' and 'after' are for lists, not for events");
    expect(await refused('GET', '/pb?odd=1', {headers})).toMatch(/^400 'odd': not known here/);
  });

  test('who accepts anything gets JSON', async () => {
    for (const accept of ['*/*', 'application/json', 'text/html, */*;q=0.5']) {
      expect((await ask('GET', '/script', {headers: {accept}})).headers.get('content-type')).toMatch(/^application\/json/);
    }
  });

  test('a stream ends when the process is told to end', async () => {
    const reader = await watch('/pb');
    await reader.until(({event}) => event === 'synced');
    stopping.abort();
    await reader.ended();
    expect(await blocks.api.store.get(pbKey('none'))).toBeUndefined();
  });
});
