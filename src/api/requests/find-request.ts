import {isScan} from '../../model/manifest.ts';
import {isRequest} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import type {RouteDeps} from '../deps.ts';
import {requestNotFound} from './errors.ts';
import type {RequestGate} from './gate.ts';
import type {RequestCall} from './route.ts';

export type {RequestRecord} from '../../model/request-view.ts';

/** A request of any type that is there, deleted or not. @throws ApiError `not_found` */
export function findRequest({cache}: Pick<RouteDeps, 'cache'>, id: string): RequestRecord {
  const record = cache.scans.get(id);
  if (!isRequest(record)) throw requestNotFound(id);
  return record;
}

/** The request in a call's path, if the caller may see it. @throws ApiError `not_found` */
export function visibleRequest(deps: Pick<RouteDeps, 'cache'>, gate: RequestGate, {principal, requestId}: RequestCall): RequestRecord {
  const record = findRequest(deps, requestId);
  if (isScan(record) && !gate.seesScans(principal)) throw requestNotFound(requestId);
  return record;
}

/** Address of whoever leads a request; `undefined` where nobody does, or nobody knows. */
export function runnerAddress({cache}: Pick<RouteDeps, 'cache'>, {owner}: RequestRecord): string | undefined {
  return owner === undefined ? undefined : cache.replicas.get(owner.value.replica)?.value.address;
}
