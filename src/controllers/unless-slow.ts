import {ControlPlaneError} from '../lib/errors.ts';
import {unlessLate} from '../lib/unless-late.ts';

/** How long one cluster that does not answer holds up what a scan has on others. */
const SLOW_MS = 10_000;

/** @throws ControlPlaneError `unavailable`: there is no answer yet; what was asked for goes on, and whoever asks again meets its end */
export function unlessSlow<T>(work: Promise<T>): Promise<T> {
  return unlessLate(work, SLOW_MS, () => {
    throw new ControlPlaneError('unavailable', 'its cluster does not answer');
  });
}
