import type {StoreLimits} from '../store/store.ts';
import {tooLarge} from './api-error.ts';

/** Refuses a value that is no blob and too large for the database. @throws ApiError `too_large`, naming the member that takes most of it */
export function requireSmall(limits: StoreLimits, text: string, value: object): void {
  if (text.length * 3 <= limits.value || Buffer.byteLength(text) <= limits.value) return;
  let largest = '';
  let size = -1;
  for (const [name, member] of Object.entries(value)) {
    const length = JSON.stringify(member)?.length ?? 0;
    if (length > size) [largest, size] = [name, length];
  }
  throw tooLarge(`'${largest}': must be no more than ${limits.value} bytes`);
}
