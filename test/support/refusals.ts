import {expect} from 'vitest';

/** An error of bad input whose detail has these texts, in this order. */
export function invalid(...texts: readonly string[]): unknown {
  const pattern = texts.map((text) => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)).join('.*');
  return expect.objectContaining({code: 'invalid', detail: expect.stringMatching(pattern)});
}
