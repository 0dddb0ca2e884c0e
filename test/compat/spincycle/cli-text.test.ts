import {expect, test} from 'vitest';
import {quote, squeeze} from '../../../src/cli/text.ts';

test('case 286: a text that is too long loses its middle, of what is left the beginning keeps the odd one', () => {
  expect(squeeze('hello, world!', 5, '..')).toBe('he..!');
  expect(squeeze('hello, world!', 2, '..')).toBe('..');
  expect(squeeze('hello, world!', 1, '..')).toBe('');
  expect(squeeze('hello, world!', 0, '..')).toBe('');
  expect(squeeze('abcdefghijklmnopqrstuvwxyz12', 20, '..')).toBe('abcdefghi..tuvwxyz12');
  expect(squeeze('hello, world!', 13, '..')).toBe('hello, world!');
});

test('case 287: a value with a blank or a tab is put in double quotes, and double quotes within it are escaped', () => {
  expect(quote('plain-value_1')).toBe('plain-value_1');
  expect(quote('two words')).toBe('"two words"');
  expect(quote('a\ttab')).toBe('"a\ttab"');
  expect(quote('say "hi" twice')).toBe('"say \\"hi\\" twice"');
});
