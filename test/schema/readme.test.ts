import {readFileSync} from 'node:fs';
import {expect, test} from 'vitest';
import {KEY_TABLE} from '../../src/schema/keys.ts';

test('the README’s key table says what the code says', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rows = KEY_TABLE.map(({pattern, holds, writer}) => `| \`${pattern}\` | ${holds} | ${writer} |`);
  expect(readme).toContain(rows.join('\n'));
});
