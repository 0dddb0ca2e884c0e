import {describe, expect, test} from 'vitest';
import {FieldError, STATE_NAME, STATE_VALUE, parseRequestQuery, parseStatusQuery, requestQuery, statusQuery} from '../../src/proto/index.ts';
import type {RequestFilter} from '../../src/proto/index.ts';

const full: RequestFilter = {
  type: 'scan',
  states: [STATE_VALUE.PENDING, STATE_VALUE.RUNNING, STATE_VALUE.SUSPENDED],
  user: 'ana',
  args: {k1: 'v1', k2: 'a=b c&d+é%~*', k3: ''},
  since: '2021-03-04T05:06:07.891234Z',
  until: '2021-03-05T05:06:07.891Z',
  limit: 5,
  offset: 10,
};

test('a filter comes back from its query string as it was', () => {
  expect(parseRequestQuery(requestQuery(full))).toEqual(full);
  expect(parseRequestQuery(`?${requestQuery(full)}`)).toEqual(full);
  expect(parseRequestQuery('')).toEqual({});
  for (const states of Object.values(STATE_VALUE)) expect(parseRequestQuery(requestQuery({states: [states]}))).toEqual({states: [states]});
});

test('values are escaped as Go escapes them', () => {
  expect(requestQuery({user: "a b/c?d&e=f+g~h*i'(j)!é"})).toBe('user=a+b%2Fc%3Fd%26e%3Df%2Bg~h%2Ai%27%28j%29%21%C3%A9');
  expect(statusQuery({requestId: 'r 9&x'})).toBe('?requestId=r+9%26x');
  expect(requestQuery({user: '\ud800'})).toBe('user=%EF%BF%BD');
});

test('nothing is written for what is empty or zero', () => {
  expect(requestQuery({type: '', states: [], user: '', args: {}, limit: 0, offset: 0})).toBe('');
  expect(statusQuery({requestId: '', orderBy: ''})).toBe('');
});

test('times are written in UTC, and one that is none is refused', () => {
  expect(requestQuery({since: '2021-03-04T07:06:07.500+02:00'})).toBe('since=2021-03-04T05%3A06%3A07.5Z');
  expect(() => requestQuery({until: 'tomorrow'})).toThrow('until: "tomorrow" is no RFC 3339 time');
});

test('parameters are read leniently where the specification is', () => {
  expect(parseRequestQuery('type=a&type=b&unknown=1')).toEqual({type: 'a'});
  expect(parseRequestQuery('type=&user=&since=')).toEqual({});
  expect(parseRequestQuery('offset=abc')).toEqual({});
  expect(parseRequestQuery('limit=0&offset=3')).toEqual({limit: 0, offset: 3});
  expect(parseRequestQuery('arg=a%3Db%3Dc')).toEqual({args: {a: 'b=c'}});
  expect(Object.keys(parseRequestQuery('arg=__proto__%3Dx').args ?? {})).toEqual(['__proto__']);
});

describe('a parameter that is wrong is named', () => {
  test.for([
    ['state=pending', 'state', 'state: "pending" is not one of UNKNOWN, PENDING, RUNNING, COMPLETE, FAIL, RESERVED, STOPPED, SUSPENDED'],
    ['state=2', 'state', 'state: "2" is not one of'],
    ['state=toString', 'state', 'state: "toString" is not one of'],
    ['state=', 'state', 'state: "" is not one of'],
    ['arg=x', 'arg', 'arg: "x" is not name=value'],
    ['since=yesterday', 'since', 'since: "yesterday" is no RFC 3339 time'],
    ['until=2021-03-04', 'until', 'until: "2021-03-04" is no RFC 3339 time'],
    ['limit=-1', 'limit', 'limit: "-1" is not a whole number from 0'],
    ['limit=1.5', 'limit', 'limit: "1.5" is not a whole number from 0'],
    ['limit=99999999999999999999', 'limit', 'limit: '],
    ['limit=1&offset=abc', 'offset', 'offset: "abc" is not a whole number from 0'],
  ] as const)('%s', ([query, field, message]) => {
    expect(() => parseRequestQuery(query)).toThrow(message);
    expect(() => parseRequestQuery(query)).toThrow(expect.objectContaining({field, httpStatus: 400}));
  });

  test('orderBy of a status filter', () => {
    expect(parseStatusQuery('?requestId=r9&orderBy=startTime')).toEqual({requestId: 'r9', orderBy: 'starttime'});
    expect(parseStatusQuery('')).toEqual({});
    expect(() => parseStatusQuery('orderBy=name')).toThrow(FieldError);
    expect(() => parseStatusQuery('orderBy=name')).toThrow('orderBy: "name" is not starttime');
  });
});

test('the two state tables are each other’s inverse and have eight entries', () => {
  expect(Object.entries(STATE_VALUE)).toHaveLength(8);
  expect(Object.keys(STATE_NAME)).toHaveLength(8);
  for (const [name, value] of Object.entries(STATE_VALUE)) expect(STATE_NAME[value]).toBe(name);
  expect(STATE_VALUE).toEqual({UNKNOWN: 0, PENDING: 1, RUNNING: 2, COMPLETE: 3, FAIL: 4, RESERVED: 5, STOPPED: 6, SUSPENDED: 7});
});
