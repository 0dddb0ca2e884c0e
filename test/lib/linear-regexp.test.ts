import {describe, expect, test} from 'vitest';
import {LinearRegExp, PatternError} from '../../src/lib/linear-regexp/linear-regexp.ts';
import {seededRandom} from '../support/seeded-random.ts';

const noCount = (): void => {};
const matches = (pattern: string, text: string, options?: string): boolean => new LinearRegExp(pattern, options).test(text, noCount);

test('20,000 random patterns match what Node lets them match', () => {
  const random = seededRandom(5);
  const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const ATOMS = ['a', 'b', 'c', '.', '\\w', '\\W', '\\d', '\\s', '[ab]', '[^a]', '[a-c\\d]', '\\b', '\\B', '^', '$', 'é', 'B', '\\.', '€'];
  const pattern = (depth: number): string => {
    const kind = random();
    if (depth === 0 || kind < 0.3) return one(ATOMS);
    if (kind < 0.6) return pattern(depth - 1) + pattern(depth - 1);
    if (kind < 0.75) return `(${pattern(depth - 1)}|${pattern(depth - 1)})`;
    return `(?:${pattern(depth - 1)})${one(['*', '+', '?', '{2}', '{1,}', '{0,2}', '*?', '+?'])}`;
  };
  const text = (): string =>
    Array.from({length: Math.floor(random() * 8)}, () => one(['a', 'b', 'c', 'A', '1', ' ', '\n', 'é', '.', '€', 'É'])).join('');
  let hits = 0;
  const wrong: unknown[] = [];
  for (let n = 0; n < 20_000; n++) {
    const [source, subject, options] = [pattern(4), text(), one(['', 'i', 'm', 's', 'ims'])];
    // PCRE's $ is also before a line end that ends the text, its ^ is not after one, and its \w and \b know ASCII only.
    const isLines = options.includes('m');
    const end = isLines ? '(?=\\n|(?![^]))' : '(?=\\n?(?![^]))';
    const start = isLines ? '(?:(?<![^])|(?<=\\n)(?=[^]))' : '(?<![^])';
    const word = '(?:(?<=[0-9A-Za-z_])(?![0-9A-Za-z_])|(?<![0-9A-Za-z_])(?=[0-9A-Za-z_]))';
    const there = source
      .replaceAll('$', end)
      .replaceAll(/(?<!\[)\^/g, start)
      .replaceAll('\\b', word)
      .replaceAll('\\B', `(?!${word})`)
      .replaceAll(/(?<!\\)\.(?!\\)/g, options.includes('s') ? '[^]' : '[^\\n]');
    const expected = new RegExp(there, `u${options.replace('m', '').replace('s', '')}`).test(subject);
    if (matches(source, subject, options) !== expected) wrong.push({source, subject, options, expected});
    if (expected) hits++;
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(hits).toBeGreaterThan(4000);
});

describe('a pattern', () => {
  test.each<[boolean, string, string, string?]>([
    [true, 'bc', 'abcd'],
    [false, '^bc', 'abcd'],
    [true, '', ''],
    [true, '(?i)ABC', 'xabcx'],
    [true, ' a b # both', 'ab', 'x'],
    [false, 'a b', 'ab'],
    [true, '\\x41\\x{1F600}', 'A😀'],
    [true, '(?<year>\\d{4})-(?P<month>\\d\\d)', 'on 2023-04-01'],
    [true, 'a{,2}', 'a{,2}'],
    [true, '[]a]', ']'],
    [true, '[a-]', '-'],
    [true, '\\Aa\\Z', 'a\n'],
    [false, '\\Aa\\z', 'a\n'],
    [true, '(a*)*b', 'aab'],
    [true, '(|a)+$', 'aa'],
  ])('matches: %s: %s', (expected, pattern, text, options) => {
    expect(matches(pattern, text, options)).toBe(expected);
  });

  test.each([
    ['(a', 'has a group without an end'],
    ['a)', 'has a ) too many'],
    ['*a', 'has a * without anything to repeat'],
    ['a**', 'has a quantifier without anything to repeat'],
    ['a++', 'has a possessive quantifier, which is not offered'],
    ['[a', 'ends too early'],
    ['[c-a]', 'has a range the wrong way round: c-a'],
    ['[a-\\d]', 'has a range that ends in a set'],
    ['[[:alpha:]]', 'has a named class, which is not offered'],
    ['\\', 'ends too early'],
    ['\\p{L}', 'has \\p, which is not offered'],
    ['a{2,1}', 'repeats from 2 to 1 times'],
    ['a{1001}', 'repeats more than 1000 times'],
    ['((){1000}){1000}', 'is too large'],
    ['(((a{100}){100}){100}){100}', 'is too large'],
    ['('.repeat(100), 'has more than 50 groups inside each other'],
    ['(?<!a)', 'looks around, which is not offered'],
    ['(?>a)', 'has a group of a kind that is not offered: (?>'],
  ])('is refused: %s %s', (pattern, reason) => {
    expect(() => new LinearRegExp(pattern)).toThrow(new PatternError(reason));
  });

  test.each(['(a+)+b', '(a|a)*b', '(a|aa)+b', '(.*)*b', '(a?){30}a{30}b', '((a*)*)*b'])('takes linear time, however it is nested: %s', (pattern) => {
    const stepsOf = (length: number): number => {
      let steps = 0;
      expect(new LinearRegExp(pattern).test('a'.repeat(length), (more) => (steps += more))).toBe(false);
      return steps;
    };
    expect(stepsOf(20_000)).toBeLessThan(2.1 * stepsOf(10_000));
  });
});
