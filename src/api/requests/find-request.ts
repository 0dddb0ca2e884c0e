import {isRequest} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import type {RouteDeps} from '../deps.ts';
import {requestNotFound} from './errors.ts';

/** A request of any type that is there, deleted or not. @throws ApiError `not_found` */
export function findRequest({cache}: Pick<RouteDeps, 'cache'>, id: string): RequestRecord {
  const record = cache.scans.get(id);
  if (!isRequest(record)) throw requestNotFound(id);
  return record;
}
