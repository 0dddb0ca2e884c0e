import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Environment} from '../../client/options.ts';
import {ControlPlaneError} from '../../lib/errors.ts';

/** A text that somebody has edited, in a file of its own. */
export interface EditedFile {
  readonly text: string;
  /** Keeps the file when all is over. @returns its name */
  keep(): string;
  /** Removes it, unless it is to be kept. */
  remove(): Promise<void>;
}

/**
 * Has a text edited by `editor`, a shell command that is given a file's name, on our terminal.
 *
 * @throws ControlPlaneError `invalid`: the editor could not be started, or failed
 */
export async function editText(editor: string, text: string, env: Environment): Promise<EditedFile> {
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-edit-')); // Nobody else may read what is in it.
  const file = join(folder, 'value.yaml');
  const remove = (): Promise<void> => rm(folder, {recursive: true, force: true});
  try {
    await writeFile(file, text, {mode: 0o600});
    // As git and others do: the variable may hold options.
    const child = spawn('/bin/sh', ['-c', `${editor} "$1"`, 'sh', file], {stdio: 'inherit', env});
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new ControlPlaneError('invalid', `the editor ended with ${code ?? 'a signal'}: nothing was changed`);
    let isKept = false;
    return {
      text: await readFile(file, 'utf8'),
      keep: () => {
        isKept = true;
        return file;
      },
      remove: async () => {
        if (!isKept) await remove();
      },
    };
  } catch (err) {
    await remove();
    throw err;
  }
}
