import {FieldError} from './error.ts';

/** The path of something below `/api/v1`. @throws FieldError for a part that is no name in a path: empty, `.` or `..` */
export function apiPath(...parts: readonly string[]): string {
  if (parts.some((part) => part === '' || part === '.' || part === '..')) throw new FieldError('id', 'empty, or no name that a path can hold');
  return `/api/v1/${parts.map((part) => encodeURIComponent(part.toWellFormed())).join('/')}`;
}
