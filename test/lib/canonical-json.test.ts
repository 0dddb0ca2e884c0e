import {expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';

test('equal objects are equal bytes, with sorted keys, two spaces and literal non-ASCII', () => {
  const text = canonicalJson({b: 1, a: {z: [1, 2], é: null, t: true}});
  expect(text).toBe('{\n  "a": {\n    "t": true,\n    "z": [\n      1,\n      2\n    ],\n    "é": null\n  },\n  "b": 1\n}');
  expect(canonicalJson({a: {é: null, t: true, z: [1, 2]}, b: 1})).toBe(text);
});
