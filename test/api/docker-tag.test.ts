import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {DockerTags} from '../../src/api/scans/docker-tag.ts';
import type {DockerTagsOptions} from '../../src/api/scans/docker-tag.ts';
import {systemClock} from '../../src/lib/clock.ts';

const IMAGES = ['3.4.0', 'v3.1.5', '4.2.0', '3.10.2', 'gcd-handling-improvements-fe8ecee'];
const resolve = (asked: string, options: DockerTagsOptions): Promise<string> => new DockerTags(options, systemClock).resolve(asked);
const TOO_OLD = "argument docker_tag: Image tag is older than the minimum supported tag 'v3.1.2'. Contact admins for more info.";

test.each([
  ['latest', '4.2.0'],
  ['3.4.0', '3.4.0'],
  ['v4', '4.2.0'],
  ['3.1', '3.1.5'],
  ['3', '3.10.2'],
  ['gcd-handling-improvements-fe8ecee', 'gcd-handling-improvements-fe8ecee'],
])('case 4: of a list of images, the tag %s means %s', async (asked, tag) => {
  expect(await resolve(asked, {images: IMAGES})).toBe(tag);
});

test('case 43: a tag that is not in the list is not found', async () => {
  for (const asked of ['foo', '3.4.1', '5', 'vlatest', '../3.4.0']) {
    await expect(resolve(asked, {images: IMAGES})).rejects.toMatchObject({detail: 'argument docker_tag: image not found'});
  }
});

test('a directory counts more than a list', async () => {
  const imageDirectory = mkdtempSync(join(tmpdir(), 'scanplane-images-'));
  try {
    writeFileSync(join(imageDirectory, 'skymap_scanner:5.0.0'), '');
    expect(await resolve('latest', {imageDirectory, images: IMAGES})).toBe('5.0.0');
  } finally {
    rmSync(imageDirectory, {recursive: true});
  }
});

test('a release older than the minimum is refused, judged by its numbers', async () => {
  const options = {minImageTag: 'v3.1.2'};
  for (const asked of ['3.1.1', 'v2.99.99', '3.0.10']) await expect(resolve(asked, options)).rejects.toMatchObject({detail: TOO_OLD});
  for (const asked of ['3.1.2', '3.1.10', 'v4.0.0', '3.10.0']) expect(await resolve(asked, options)).toBe(asked.replace('v', ''));
  await expect(resolve('3', {images: ['3.1.0'], minImageTag: '3.1.2'})).rejects.toMatchObject({detail: TOO_OLD});
});

test('what is no release has no age', async () => {
  for (const asked of ['gcd-handling-improvements-fe8ecee', 'latest']) expect(await resolve(asked, {minImageTag: '3.1.2'})).toBe(asked);
});
