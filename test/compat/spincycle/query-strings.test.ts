import {expect, test} from 'vitest';
import {requestQuery, statusQuery} from '../../../src/proto/filter.ts';
import {STATE_PENDING, STATE_RUNNING, STATE_SUSPENDED} from '../../../src/proto/state.ts';

// Section 4.1.

test('case 1: an empty status filter has an empty query string', () => {
  expect(statusQuery({})).toBe('');
});

test('case 2: a status filter asks for one request', () => {
  expect(statusQuery({requestId: 'r9'})).toBe('?requestId=r9');
});

test('case 3: the order of a status filter is written in lower case', () => {
  expect(statusQuery({requestId: 'r9', orderBy: 'startTime'})).toBe('?requestId=r9&orderBy=starttime');
});

test('case 4: an empty request filter has an empty query string', () => {
  expect(requestQuery({})).toBe('');
});

test('case 5: a full request filter is encoded with its keys and its arguments in order, and its times without trailing zeros (mended)', () => {
  const filter = {
    type: 'scan',
    states: [STATE_PENDING, STATE_RUNNING, STATE_SUSPENDED],
    args: {k2: 'v2', k1: 'v1'},
    user: 'ana',
    since: '2021-03-04T05:06:07.891234000Z',
    until: '2021-03-05T05:06:07.891000Z',
    limit: 5,
    offset: 10,
  };
  expect(requestQuery(filter)).toBe(
    'arg=k1%3Dv1&arg=k2%3Dv2&limit=5&offset=10&since=2021-03-04T05%3A06%3A07.891234Z&state=PENDING&state=RUNNING&state=SUSPENDED&type=scan' +
      '&until=2021-03-05T05%3A06%3A07.891Z&user=ana',
  );
});
