import type {Scan} from '../model/manifest.ts';
import {missing} from './api-error.ts';
import type {Arguments} from './validation/query.ts';

/** A deleted scan is not found unless the caller says `include_deleted`. @throws ApiError `not_found` */
export function requireVisible(scan: Scan, args: Arguments): void {
  const includeDeleted = args.boolean('include_deleted');
  if (scan.control?.value.is_deleted === true && !includeDeleted) throw missing('Manifests');
}
