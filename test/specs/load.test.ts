import {execFileSync} from 'node:child_process';
import {mkdir, symlink} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {loadSpecs} from '../../src/specs/load.ts';
import type {Specs} from '../../src/specs/spec.ts';
import {directoryOf} from '../support/spec-directory.ts';

const spec = (name: string): string => `sequences: {${name}: {nodes: {n: {category: job, type: t}}}}\n`;

function summary({sequences, findings}: Specs): unknown {
  return {
    names: [...sequences.keys()].filter((name) => name !== 'noop'),
    findings: findings.map(({severity, place, message}) => `${severity} ${place.file}: ${message}`),
  };
}

test('files are read in the order of their names, through every directory', async () => {
  const directory = await directoryOf({'z.yaml': spec('z'), 'b/c.YaMl': spec('c'), 'b/a.yaml': spec('a'), 'b/x.yml': '{', 'B.yaml': spec('B')});
  expect(summary(await loadSpecs(directory))).toEqual({names: ['B', 'a', 'c', 'z'], findings: []});
});

test('a directory that is not there, or is none, is a finding', async () => {
  const directory = await directoryOf({file: ''});
  for (const path of [join(directory, 'nowhere'), join(directory, 'file')]) {
    const specs = await loadSpecs(path);
    expect(specs.findings).toMatchObject([{severity: 'error', place: {file: path}, message: expect.stringMatching(/ENOENT|ENOTDIR/)}]);
  }
});

test('links that lead in circles or nowhere are findings, and the rest is read', async () => {
  const directory = await directoryOf({'deep/a.yaml': spec('a')});
  await symlink('..', join(directory, 'deep/up'));
  await symlink('self', join(directory, 'self'));
  await symlink('nowhere', join(directory, 'gone.yaml'));
  expect(summary(await loadSpecs(directory))).toEqual({
    names: ['a'],
    findings: [
      expect.stringMatching(/^warning deep\/up: .*leads back/),
      'error gone.yaml: cannot be read: ENOENT',
      'warning self: cannot be looked at: ELOOP',
    ],
  });
});

test('a file that is reachable in two ways is read once', async () => {
  const directory = await directoryOf({'real/a.yaml': spec('a')});
  await symlink('real', join(directory, 'same'));
  await symlink('real/a.yaml', join(directory, 'a.yaml'));
  expect(summary(await loadSpecs(directory))).toEqual({names: ['a'], findings: []});
});

test('a mounted ConfigMap of Kubernetes is read once, under the names that its keys have', async () => {
  const directory = await directoryOf({'..2026_01_01/a.yaml': spec('a')});
  await symlink('..2026_01_01', join(directory, '..data'));
  await symlink('..data/a.yaml', join(directory, 'a.yaml'));
  const specs = await loadSpecs(directory);
  expect(summary(specs)).toEqual({names: ['a'], findings: []});
  expect(specs.sequences.get('a')?.place.file).toBe('a.yaml');
});

test('pipes, directories, other encodings and files that are too large are findings; none of them is waited for', async () => {
  const directory = await directoryOf({
    'latin.yaml': new Uint8Array([0x61, 0x3a, 0x20, 0xe4]),
    'large.yaml': '#'.repeat(4 * 2 ** 20 + 1),
    'fine.yaml': spec('fine'),
  });
  execFileSync('mkfifo', [join(directory, 'pipe.yaml')]);
  await mkdir(join(directory, 'folder.yaml'));
  expect(summary(await loadSpecs(directory))).toEqual({
    names: ['fine'],
    findings: ['error large.yaml: is larger than 4 MiB', 'error latin.yaml: is not UTF-8 text', 'error pipe.yaml: is no regular file'],
  });
});

test('a caller of what stands in a file that cannot be read is told of that file', async () => {
  const directory = await directoryOf({'caller.yaml': 'sequences: {c: {nodes: {n: {category: sequence, type: lost}}}}'});
  await symlink('nowhere', join(directory, 'lost.yaml'));
  expect((await loadSpecs(directory)).findings[0]).toMatchObject({sequence: 'c', message: expect.stringContaining('lost.yaml')});
});
