import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {expect, test} from 'vitest';
import {isAlive, readRecords} from '../../src/cli/process-record.ts';
import {eventually} from '../support/eventually.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const RECORDS = fileURLToPath(new URL('../../.scanplane/demo/processes.json', import.meta.url));
/** Real events, where the machine has them; the project ships none. */
const REAL_EVENTS = ['138632_31747601.json', 'hese_event_01.json'].map((name) =>
  fileURLToPath(new URL(`../../../shared/data/events/${name}`, import.meta.url)),
);

interface Finished {
  readonly code: number | null;
  readonly text: string;
  readonly seconds: number;
}

function startDemo(args: readonly string[]): {readonly done: Promise<Finished>; kill(): void} {
  const startedAt = performance.now();
  const child = spawn(process.execPath, ['examples/demo/demo.ts', ...args], {cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe']});
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const done = once(child, 'close').then(([code]) => ({code: code as number | null, text, seconds: (performance.now() - startedAt) / 1000}));
  return {done, kill: () => void child.kill('SIGKILL')};
}

test('the demo scans the sample event, survives the kill of the owner, and cleans up', async () => {
  const {code, text, seconds} = await startDemo([]).done;
  expect({code, text}).toMatchObject({code: 0});
  expect(text).toMatch(/killed the owner, replica-\d/);
  expect(text).toMatch(/took over after \d+\.\d s/);
  expect(text).toMatch(/COMPLETE[\s\S]*best fit +RA .*Dec [\s\S]*50 % area[\s\S]*90 % area/);
  expect(seconds).toBeLessThan(60);
  expect(existsSync(RECORDS)).toBe(false);
});

for (const event of REAL_EVENTS) {
  test.skipIf(!existsSync(event))(
    `the demo scans a real event (${event.split('/').at(-1)}; skipped where it is not beside the project)`,
    async () => {
      const {code, text, seconds} = await startDemo(['--event', event]).done;
      expect({code, text}).toMatchObject({code: 0});
      expect(text).toContain('best fit');
      expect(seconds).toBeLessThan(60);
    },
  );
}

test('what a killed demo leaves running is ended by the next one', async () => {
  const first = startDemo(['--no-kill', '--nsides', '64:0']);
  await eventually(() => readRecords(RECORDS).filter(isAlive).length === 4, {timeoutMs: 30_000});
  const left = readRecords(RECORDS);
  first.kill();
  await first.done;
  expect(left.filter(isAlive).length).toBe(4);
  const {code, text} = await startDemo(['--no-kill', '--nsides', '8:0']).done;
  expect({code, text}).toMatchObject({code: 0});
  expect(text).toMatch(/ended \d+ processes that an earlier demo had left/);
  expect(left.filter(isAlive)).toEqual([]);
});

test('a demo that cannot read its event says so and exits with an error', async () => {
  const {code, text} = await startDemo(['--event', 'no-such-file.json']).done;
  expect(code).not.toBe(0);
  expect(text).toContain('no-such-file.json');
});
