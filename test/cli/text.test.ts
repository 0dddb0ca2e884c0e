import {execFileSync} from 'node:child_process';
import {expect, test} from 'vitest';
import {labelled, oneLine, quote, safeOutput, squeeze, table, widthOf} from '../../src/cli/text.ts';

test('a squeezed text has exactly the width asked for, whatever letters it is made of', () => {
  for (let width = 2; width < 12; width++) expect(widthOf(squeeze('größer 🛰️ als der Platz', width, '..'))).toBe(width);
});

test('a shell reads back every quoted value as it was', () => {
  const values = [
    '',
    'a b',
    '"',
    "it's",
    '$HOME',
    '`id`',
    '$(id)',
    'a\\b',
    '!!',
    'x;y',
    'a|b&c',
    '*',
    '#',
    '~',
    'two\nlines',
    'bell\u0007a',
    'csi\u009ba',
    "\r'\\\t",
    '{"k": [1]}',
    'größe',
  ];
  const read = execFileSync('bash', ['--norc', '-c', `printf '%s\\0' ${values.map((value) => `v=${quote(value)}`).join(' ')}`], {
    encoding: 'utf8',
    env: {PATH: process.env['PATH'], LC_ALL: 'C.UTF-8'},
  });
  expect(read.split('\0').slice(0, -1)).toEqual(values.map((value) => `v=${value}`));
});

test('a quoted value never spans two lines, so that it cannot leave the comment it is shown in', () => {
  expect(quote('x\nrm -rf y')).toBe(String.raw`$'x\nrm -rf y'`);
});

test('control characters of others do not reach the terminal', () => {
  expect(oneLine('a\u001b[2Jb\nc\u009b')).toBe(String.raw`a\x1b[2Jb\nc\u009b`);
  expect(safeOutput('\u001b[31mred\u001b[0m\n\tline\u001b]0;title\u0007')).toBe('\u001b[31mred\u001b[0m\n\tline\\x1b]0;title\\x07');
});

test('a table squeezes what is too long, but widens a column of identifiers', () => {
  const columns = [
    {title: 'ID', width: 4, isWhole: true},
    {title: 'N', width: 3, align: 'right'},
    {title: 'USER', width: 6, indent: 1},
    {title: 'REST'},
  ] as const;
  expect(
    table(columns, [
      ['abcdef', '1', 'somebody', 'all of\nit'],
      ['x', '22', 'ana', ''],
    ]),
  ).toBe(['ID       N  USER   REST', 'abcdef   1  so..dy all of\\nit', 'x       22  ana', ''].join('\n'));
  expect(table(columns, [])).toBe('');
});

test('labels are right-aligned; a value of several lines begins below its label', () => {
  expect(
    labelled([
      ['state', 'RUNNING'],
      ['args', ''],
      ['stdout', 'a\nb'],
    ]),
  ).toBe('   state: RUNNING\n    args:\n  stdout:\na\nb\n');
});
