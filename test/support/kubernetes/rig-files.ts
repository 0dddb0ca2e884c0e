import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Build} from './build.ts';
import type {RunFolder} from './run-folder.ts';

/** One running rig, as every process in its namespaces knows it. Written once, before they are entered. */
export interface Rig extends RunFolder {
  readonly build: Build;
}

export async function writeRig(rig: Rig): Promise<void> {
  await writeFile(join(rig.folder, 'rig.json'), JSON.stringify(rig));
}

export async function readRig(folder: string): Promise<Rig> {
  return JSON.parse(await readFile(join(folder, 'rig.json'), 'utf8')) as Rig;
}
