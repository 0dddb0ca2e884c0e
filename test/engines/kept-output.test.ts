import {spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {KeptOutput, readKeptOutput} from '../../src/engines/process/kept-output.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'scanplane-output-'));
});
afterEach(() => {
  rmSync(folder, {recursive: true});
});

function keep(limitBytes: number, chunks: readonly string[]): string {
  const path = join(folder, '0.stdout');
  const kept = new KeptOutput(path, limitBytes);
  for (const chunk of chunks) kept.write(Buffer.from(chunk));
  const live = readKeptOutput(path);
  kept.end();
  expect(readKeptOutput(path)).toBe(live);
  return live;
}

test('output that was never written is empty', () => {
  expect(keep(10, [])).toBe('');
  expect(readKeptOutput(join(folder, 'no', 'such', 'folder'))).toBe('');
});

test.each(Array.from({length: 41}, (_, length) => length))(
  'of %i bytes with a limit of 10, the first 5 and the last 5 are kept, and the rest is counted',
  (length) => {
    const text = Array.from({length}, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
    const expected = length <= 10 ? text : `${text.slice(0, 5)}\n[${length - 10} bytes dropped here]\n${text.slice(-5)}`;
    for (const width of [1, 3, 100]) {
      const chunks = text.match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
      expect(keep(10, chunks)).toBe(expected);
      rmSync(folder, {recursive: true});
      folder = mkdtempSync(join(tmpdir(), 'scanplane-output-'));
    }
  },
);

test('what is on disk never exceeds one and a half times the limit', () => {
  const kept = new KeptOutput(join(folder, 'x'), 1000);
  for (let i = 0; i < 500; i++) {
    kept.write(Buffer.alloc(77));
    const size = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(size).toBeLessThanOrEqual(1500);
  }
  kept.end();
});

test('a limit of nothing keeps nothing', () => {
  expect(keep(0, ['abc'])).toBe('');
  expect(readdirSync(folder)).toEqual([]);
});

test('two streams beside each other do not mix', () => {
  const one = new KeptOutput(join(folder, '1.stdout'), 10);
  const eleven = new KeptOutput(join(folder, '11.stdout'), 10);
  one.write(Buffer.from('one'));
  eleven.write(Buffer.from('eleven'));
  expect(readKeptOutput(join(folder, '1.stdout'))).toBe('one');
  expect(readKeptOutput(join(folder, '11.stdout'))).toBe('eleven');
  one.end();
  eleven.end();
});

test('a disk that refuses the output does not disturb the writer', () => {
  const kept = new KeptOutput(join(folder, 'missing', 'x'), 10);
  kept.write(Buffer.from('abc'));
  kept.end();
});

test('in the place of output a pipe or a folder is nothing, a link is not followed, and nobody is waited for', () => {
  const path = join(folder, '0.stderr');
  spawnSync('mkfifo', [`${path}.0`]);
  expect(readKeptOutput(path)).toBe('');
  rmSync(`${path}.0`);
  mkdirSync(`${path}.0`);
  expect(readKeptOutput(path)).toBe('');
  rmSync(`${path}.0`, {recursive: true});
  symlinkSync('/etc/passwd', `${path}.0`);
  expect(() => readKeptOutput(path)).toThrow('ELOOP');
});
