import {expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';

test('equal objects are equal bytes, with sorted keys, two spaces and literal non-ASCII', () => {
  const text = canonicalJson({b: 1, a: {z: [1, 2], é: null, t: true}});
  expect(text).toBe('{\n  "a": {\n    "t": true,\n    "z": [\n      1,\n      2\n    ],\n    "é": null\n  },\n  "b": 1\n}');
  expect(canonicalJson({a: {é: null, t: true, z: [1, 2]}, b: 1})).toBe(text);
});

test('what has its keys in order already and what has not are one text, and the value itself stays as it is', () => {
  const value = {b: {d: undefined, c: [{z: 1, y: [{x: 1, w: 2}]}, null]}, a: 'A', B: {}, e: []};
  const before = JSON.stringify(value);
  expect(canonicalJson(value)).toBe(JSON.stringify({B: {}, a: 'A', b: {c: [{y: [{w: 2, x: 1}], z: 1}, null]}, e: []}, null, 2));
  expect(JSON.stringify(value)).toBe(before);
});
