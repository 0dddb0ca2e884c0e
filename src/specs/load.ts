import {parseSpecs} from './parse.ts';
import type {SpecFile} from './read-file.ts';
import {readSpecFiles} from './spec-files.ts';
import type {Specs} from './spec.ts';

/** Reads and checks all specs below `directory` (empty: there is none), and `shipped` ones. What cannot be read is among the findings. */
export async function loadSpecs(directory: string, shipped: readonly SpecFile[] = []): Promise<Specs> {
  const {files, findings} = directory === '' ? {files: [], findings: []} : await readSpecFiles(directory);
  return parseSpecs([...shipped, ...files], findings);
}
