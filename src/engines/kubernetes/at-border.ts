import {ControlPlaneError, hasCode} from '../../lib/errors.ts';

/** Runs one method's work. What somebody else changed first may work the next time. */
export async function atBorder<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    if (hasCode(err, 'revision_conflict')) throw new ControlPlaneError('unavailable', err.detail, {cause: err});
    throw ControlPlaneError.from(err);
  }
}
