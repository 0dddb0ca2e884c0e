import {execFile} from 'node:child_process';
import {describe, expect, test} from 'vitest';
import {lint as run} from '../../../src/cli/lint/lint.ts';
import {readLintArguments} from '../../../src/cli/lint/lint-arguments.ts';
import {directoryOf} from '../../support/spec-directory.ts';

const MAIN = new URL('../../../src/main.ts', import.meta.url).pathname;
const FINE = 'sequences: {fine: {nodes: {n: {category: job, type: t}}}}\n';
const ODD = 'sequences: {odd: {nodes: {n: {category: job, type: t, retires: 1}}}}\n';
const STATIC = 'sequences:\n  static:\n    nodes:\n      n: {category: job}\n      m: {category: zzz, type: t, retires: 1}\n';
const GRAPH = 'sequences: {graph: {nodes: {n: {category: job, type: t, deps: [n]}}}}\n';

async function lint(...args: readonly string[]): Promise<{code: number; out: string; err: string}> {
  const written = {out: '', err: ''};
  const output = (name: 'out' | 'err', isTTY: boolean) => ({
    isTTY,
    write: (text: string | Uint8Array): boolean => {
      written[name] += String(text);
      return true;
    },
  });
  const code = await run(args, output('out', false), output('err', false));
  return {code, ...written};
}

describe('scanplane lint', () => {
  test('says OK and exits with 0 when nothing is found', async () => {
    expect(await lint(await directoryOf({'a.yaml': FINE}))).toEqual({code: 0, out: 'OK: 1 sequence, 0 job types.\n', err: ''});
  });

  test('shows errors and warnings under a header for each sequence and file, numbered, and exits with 1', async () => {
    const directory = await directoryOf({'a.yaml': STATIC, 'b.yaml': '{', 'c.yaml': FINE});
    const {code, out} = await lint(directory);
    expect(code).toBe(1);
    const lines = out.replaceAll(directory, 'D').split('\n');
    expect(lines.slice(0, 8)).toEqual([
      'D/a.yaml: sequence "static"',
      '  Errors',
      '    1. D/a.yaml:4: node "n", type: a node of category job must name a job type',
      '    2. D/a.yaml:5: node "m", category: must be one of job, sequence, conditional, not "zzz"',
      '  Warnings',
      expect.stringMatching(/^ {4}1\. D\/a\.yaml:5: node "m", retires: there is no key "retires" here/),
      '',
      'D/b.yaml',
    ]);
    expect(lines.slice(-2)).toEqual([expect.stringMatching(/^\d+ errors, 1 warning\.$/), '']);
  });

  test('warnings are no errors, unless --strict says so', async () => {
    const directory = await directoryOf({'a.yaml': ODD});
    expect(await lint(directory)).toMatchObject({code: 0, out: expect.stringContaining('0 errors, 1 warning.')});
    expect((await lint('-s', directory)).code).toBe(1);
    expect((await lint('--strict', directory)).code).toBe(1);
  });

  test('warnings can be left out; a line says so, and they still count', async () => {
    const directory = await directoryOf({'a.yaml': ODD});
    const {code, out} = await lint(directory, '--warnings=false');
    expect(code).toBe(0);
    expect(out).not.toContain('retires');
    expect(out).toContain('1 warning not shown');
    expect((await lint(directory, '--warnings=false', '--strict')).code).toBe(1);
  });

  test('colours are shown when asked for, and not into a pipe', async () => {
    const directory = await directoryOf({'a.yaml': STATIC});
    expect((await lint(directory)).out).not.toContain('\u001b');
    expect((await lint(directory, '--color=true')).out).toContain('\u001b[31mErrors');
  });

  test('no specs, no directory and no such sequence exit with 1', async () => {
    expect(await lint(await directoryOf({'a.txt': FINE}))).toMatchObject({code: 1, out: expect.stringContaining('No specs found')});
    expect(await lint('/nowhere/at/all')).toMatchObject({code: 1, out: expect.stringContaining('ENOENT')});
    expect(await lint(await directoryOf({'a.yaml': FINE}), '--sequences=fine,other')).toMatchObject({
      code: 1,
      out: expect.stringContaining('"other"'),
    });
  });

  test('some sequences can be chosen; errors in others are not shown, and still fail', async () => {
    for (const wrong of [STATIC, GRAPH]) {
      const directory = await directoryOf({'a.yaml': FINE, 'b.yaml': wrong});
      const {code, out} = await lint(directory, '--sequences=fine');
      expect(code).toBe(1);
      expect(out).not.toContain('Errors');
      expect(out).toMatch(/Not shown, and yet wrong: \d findings? in "(static|graph)"/);
    }
    const directory = await directoryOf({'a.yaml': GRAPH, 'b.yaml': STATIC});
    const {code, out} = await lint(directory, '--sequences=graph');
    expect(code).toBe(1);
    expect(out).toContain('sequence "graph"');
    expect(out).not.toContain('sequence "static"');
  });

  test('wrong options exit with 2 and say how it is used', async () => {
    for (const args of [['--warnings=maybe'], ['--nonsense'], ['a', 'b']]) {
      const {code, out, err} = await lint(...args);
      expect({code, out}).toEqual({code: 2, out: ''});
      expect(err).toContain('scanplane lint [DIR]');
    }
    expect(await lint('--help')).toMatchObject({code: 0, out: expect.stringContaining('--strict')});
  });
});

test('it is a command of the program', async () => {
  const directory = await directoryOf({'a.yaml': GRAPH});
  const {code, out} = await new Promise<{code: number; out: string}>((resolve) => {
    execFile(process.execPath, [MAIN, 'lint', directory], (error, text) => resolve({code: Number(error?.code ?? 0), out: text}));
  });
  expect(code).toBe(1);
  expect(out).toContain('sequence "graph"');
});

describe('its command line', () => {
  test('has defaults for everything', () => {
    expect(readLintArguments([])).toEqual({directory: '.', isStrict: false, showsWarnings: true});
  });

  test('a flag without a value is true and leaves the next word alone', () => {
    expect(readLintArguments(['--color', '--warnings', 'specs'])).toEqual({directory: 'specs', isStrict: false, showsWarnings: true, color: true});
    expect(readLintArguments(['-s', 'specs', '--sequences', 'a,b', '--color=0'])).toEqual({
      directory: 'specs',
      isStrict: true,
      showsWarnings: true,
      color: false,
      sequences: ['a', 'b'],
    });
  });
});
