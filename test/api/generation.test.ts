import {expect, test} from 'vitest';
import {generationOf, withoutPrefix} from '../../src/api/generation.ts';

test.each([
  ['/', 'v2', '/'],
  ['/scan', 'v2', '/scan'],
  ['/scan/0123', 'v2', '/scan/0123'],
  ['/scan/0123/manifest', 'v2', '/scan/0123/manifest'],
  ['/scans/find', 'v2', '/scans/find'],
  ['/scan/manifests', 'v2', '/scan/manifests'],
  ['/v2', 'v2', '/'],
  ['/v2/scan', 'v2', '/scan'],
  ['/v2/scans', 'v2', '/scans'],
  ['/v2/scan/manifest/0123', 'v2', '/scan/manifest/0123'],
  ['/v2scan', 'v2', '/v2scan'],
  ['/v3/scan', 'v2', '/v3/scan'],
  ['/v1', 'v1', '/'],
  ['/v1/scan/0123', 'v1', '/scan/0123'],
  ['/v1/v0/scan', 'v1', '/v0/scan'],
  ['/v0/', 'v0', '/'],
  ['/v0/scan', 'v0', '/scan'],
  ['/scans', 'v0', '/scans'],
  ['/scan/manifest', 'v0', '/scan/manifest'],
  ['/scan/manifest/0123', 'v0', '/scan/manifest/0123'],
  ['/scan/result/0123', 'v0', '/scan/result/0123'],
])('%s is a path of %s', (path, generation, rest) => {
  expect([generationOf(path), withoutPrefix(path)]).toEqual([generation, rest]);
});
