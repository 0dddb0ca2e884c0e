import {expect, test} from 'vitest';
import {decodeCreateRequest, decodeJobLog, decodeJson, encodeJson} from '../../src/proto/index.ts';

test('a bigint is a number with all its digits', () => {
  expect(encodeJson({a: 1614834367891234567n, b: [-9223372036854775808n, 1n], c: '1n', d: 1.5})).toBe(
    '{"a":1614834367891234567,"b":[-9223372036854775808,1],"c":"1n","d":1.5}',
  );
});

test('only whole numbers that JavaScript cannot hold are bigints', () => {
  const text =
    '{"small":9007199254740991,"large":9007199254740993,"negative":-9007199254740993,"fraction":0.1,"exponent":1e300,"text":"9007199254740993"}';
  expect(decodeJson(text)).toEqual({
    small: 9007199254740991,
    large: 9007199254740993n,
    negative: -9007199254740993n,
    fraction: 0.1,
    exponent: 1e300,
    text: '9007199254740993',
  });
  expect(encodeJson(decodeJson('{"large":9007199254740993}'))).toBe('{"large":9007199254740993}');
});

test('a number of more digits than 64 bits have stays a number', () => {
  expect(decodeJson(`1${'0'.repeat(30)}`)).toBe(1e30);
});

test('members of 64 bits are bigints whatever their size, all others numbers whatever theirs', () => {
  expect(decodeJobLog(decodeJson('{"startedAt":0,"finishedAt":1614834367891234567,"exit":-1}'))).toMatchObject({
    startedAt: 0n,
    finishedAt: 1614834367891234567n,
    exit: -1n,
  });
  const {Args} = decodeCreateRequest(decodeJson('{"Args":{"n":9007199254740993,"list":[9007199254740993]}}'));
  expect(Args).toEqual({n: 9007199254740992, list: [9007199254740992]});
  expect(JSON.stringify(Args)).toBe('{"n":9007199254740992,"list":[9007199254740992]}');
});

test('what is no JSON is a syntax error', () => {
  expect(() => decodeJson('"x":1}')).toThrow(SyntaxError);
  expect(() => decodeJson('')).toThrow(SyntaxError);
});
