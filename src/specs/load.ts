import {parseSpecs} from './parse.ts';
import {readSpecFiles} from './spec-files.ts';
import type {Specs} from './spec.ts';

/** Reads and checks all specs below `directory`. What cannot be read is among the findings. */
export async function loadSpecs(directory: string): Promise<Specs> {
  const {files, findings} = await readSpecFiles(directory);
  return parseSpecs(files, findings);
}
