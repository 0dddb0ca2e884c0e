import {ControlPlaneError} from '../lib/errors.ts';
import {DOCUMENT_BYTES} from './engine.ts';
import type {JobRef, JobSpec} from './engine.ts';

const NAME = /^[\w.-]{1,128}$/;

/** @throws ControlPlaneError `invalid`: a part of it cannot be one level of a path, which every engine can make a name of. */
export function checkRef(ref: JobRef): void {
  const isName = (text: string): boolean => NAME.test(text) && text !== '.' && text !== '..';
  if (isName(ref.scanId) && isName(ref.job) && Number.isSafeInteger(ref.try) && ref.try >= 0) return;
  throw new ControlPlaneError('invalid', `not fit to be file names: ${JSON.stringify([ref.scanId, ref.job, ref.try])}`);
}

/**
 * What no engine can run. `isOfImages`: an engine of containers, whose images may have a command of their own.
 *
 * @throws ControlPlaneError `invalid`, without the values of environment entries, which may be secrets. `too_large`: its document.
 */
export function checkSpec(job: JobSpec, isOfImages = false): void {
  checkRef(job.ref);
  const isText = (text: string): boolean => !text.includes('\0');
  const wrong =
    (job.command.length === 0 && !(isOfImages && job.pod?.hasOwnCommand === true)) || job.command[0] === ''
      ? 'the command is empty'
      : !job.command.every(isText)
        ? 'the command holds a null byte'
        : !job.env.every(([name, value]) => name !== '' && !name.includes('=') && isText(name) && isText(value))
          ? 'an environment entry has no name, a = in its name, or a null byte'
          : !Number.isSafeInteger(job.count) || job.count < 1
            ? 'count is below 1'
            : job.timeoutMs !== undefined && !(job.timeoutMs > 0)
              ? 'its longest duration is not above 0'
              : undefined;
  if (wrong !== undefined) throw new ControlPlaneError('invalid', `${nameOfRef(job.ref)}: ${wrong}`);
  if (Buffer.byteLength(job.document ?? '') > DOCUMENT_BYTES)
    throw new ControlPlaneError('too_large', `${nameOfRef(job.ref)}: its document is larger than ${DOCUMENT_BYTES} bytes`);
}

/** A try in a message. */
export function nameOfRef({scanId, job, try: number}: JobRef): string {
  return `${scanId}~${job}~${number}`;
}
