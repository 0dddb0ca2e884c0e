import {PassThrough} from 'node:stream';
import {expect, test} from 'vitest';
import {LineInput} from '../../src/cli/line-input.ts';

async function linesOf(chunks: readonly (Buffer | string)[]): Promise<string[]> {
  const input = new PassThrough();
  for (const chunk of chunks) input.write(chunk);
  input.end();
  const lines = new LineInput(input);
  const got: string[] = [];
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) got.push(line);
  expect(await lines.next()).toBeUndefined();
  return got;
}

test('lines that come in one chunk are told apart (mended)', async () => {
  expect(await linesOf(['one\ntwo\r\n\nok\n'])).toEqual(['one', 'two', '', 'ok']);
});

test('a line that comes in pieces is one, even where a letter is cut', async () => {
  const bytes = Buffer.from('größe\nlast');
  expect(await linesOf([...bytes].map((byte) => Buffer.from([byte])))).toEqual(['größe', 'last']);
});

test('a line without end is refused before it fills the memory', async () => {
  const endless = (async function* () {
    for (;;) yield 'x'.repeat(100_000);
  })();
  await expect(new LineInput(endless).next()).rejects.toThrow('a line of more than');
});
