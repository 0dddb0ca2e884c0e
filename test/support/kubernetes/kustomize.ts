import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {mkdir, mkdtemp, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {openApt} from './apt.ts';
import {command} from './command.ts';
import {rigCacheDir} from './recipe.ts';

/** Of the first release of Debian that has it. The one inside kubectl 1.20 is from before components, and before folders as resources. */
const PACKAGE = {layout: 1, suite: 'trixie', name: 'kustomize'} as const;

/** Where {@link ensureKustomize} puts it. */
export function kustomizeProgram(): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([PACKAGE, process.arch]))
    .digest('hex');
  return join(rigCacheDir(), 'kustomize', digest.slice(0, 16), 'usr', 'bin', 'kustomize');
}

/** Gets kustomize from Debian's packages, once; nothing is installed. Within the rig there is no way out, so this comes first. @throws CommandError from apt */
export async function ensureKustomize(say: (line: string) => void): Promise<void> {
  const program = kustomizeProgram();
  if (existsSync(program)) return;
  const folder = join(rigCacheDir(), 'kustomize');
  await mkdir(folder, {recursive: true});
  const work = await mkdtemp(join(folder, 'tmp-'));
  say("Getting kustomize from Debian's packages, once …");
  try {
    const whole = join(work, 'whole');
    for (const path of [whole, join(work, 'apt')]) await mkdir(path);
    await (await openApt(join(work, 'apt'), PACKAGE.suite)).unpack([PACKAGE.name], whole);
    await rename(whole, join(program, '../../..')).catch((err: unknown) => {
      if (!existsSync(program)) throw err; // else another run was first
    });
  } finally {
    await rm(work, {recursive: true, force: true, maxRetries: 3});
  }
}

/** The objects that a folder with a `kustomization.yaml` stands for, as YAML. @throws CommandError with what is wrong with it */
export async function kustomize(folder: string): Promise<string> {
  return command(kustomizeProgram(), ['build', folder], {timeoutMs: 60_000});
}
