import type {Entry, ScanRecord} from '../../model/scan-record.ts';
import type {ScanSpec} from '../../schema/scan.ts';
import type {RouteDeps} from '../deps.ts';
import {requestNotFound} from './errors.ts';

/** A request of any type that is there, deleted or not. */
export type RequestRecord = ScanRecord & {readonly spec: Entry<ScanSpec>};

/** @throws ApiError `not_found` */
export function findRequest({cache}: Pick<RouteDeps, 'cache'>, id: string): RequestRecord {
  const record = cache.scans.get(id);
  if (record?.spec === undefined) throw requestNotFound(id);
  return record as RequestRecord;
}
