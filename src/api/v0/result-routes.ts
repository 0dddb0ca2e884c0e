import type {Scan} from '../../model/manifest.ts';
import {resultKey, scanKey} from '../../schema/keys.ts';
import {notFound} from '../api-error.ts';
import {changeScan, childRevision, findScan} from '../compare-and-set.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {encodeJson} from '../json/raw-json.ts';
import type {JsonMembers} from '../json/raw-json.ts';
import {readArguments, readBody} from '../middleware/body.ts';
import {changeLegacy} from '../older/report.ts';
import {readResult} from '../result/present.ts';
import {parseResultBody, putResult} from '../result/put.ts';
import type {Route} from '../route.ts';
import {RESULT_NAMES, checkPutV0} from './schema.ts';

/** What a scan has found: there on its own, whether the scan is deleted or not. */
export function v0ResultRoutes(deps: RouteDeps): Route[] {
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {
      method: 'get',
      path: '/scan/result/:id',
      roles: ['user'],
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        const includeDeleted = args.boolean('include_deleted');
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        if (scan.result === undefined || (isResultDeleted(scan) && !includeDeleted)) throw notFound();
        return encodeJson(await readV0Result(deps, scan));
      },
    },
    {
      method: 'delete',
      path: '/scan/result/:id',
      roles: ['user'],
      handle: async ({scanId}) => {
        await freshForWrite(deps);
        return encodeJson(await readV0Result(deps, await deleteResult(deps, scanId)));
      },
    },
    {
      method: 'put',
      path: '/scan/result/:id',
      roles: ['system'],
      handle: async ({ctx, scanId}) => {
        const bytes = await readBody(ctx, limitBytes);
        const incoming = await parseResultBody(bytes.length === 0 ? Buffer.from('{}') : bytes, checkPutV0, RESULT_NAMES);
        await freshForWrite(deps);
        const stored = await putResult(deps, scanId, incoming);
        if (findScan(deps, scanId).legacy?.value.deleted_result !== undefined) await deps.cache.catchUp(); // Is it this one that was deleted?
        return encodeJson(asV0(stored, isResultDeleted(findScan(deps, scanId))));
      },
    },
  ];
}

/** Marks the result that is there as deleted; one that comes later is not. Deleting again changes nothing. @throws ApiError `not_found` */
function deleteResult(deps: RouteDeps, scanId: string): Promise<Scan> {
  return changeScan(deps, scanId, (scan) => {
    const digest = scan.result?.value.blob.digest;
    if (digest === undefined) throw notFound();
    if (isResultDeleted(scan)) return {commit: undefined, answer: () => scan};
    const change = changeLegacy(deps, scan, (legacy) => ({...legacy, deleted_result: digest}));
    const compares = [{key: scanKey(scanId), exists: true} as const, {key: resultKey(scanId), modRevision: childRevision(scan, 'result')}];
    return {commit: {compares: [...compares, ...change.compares], ops: change.ops}, answer: (revision) => change.apply(scan, revision)};
  });
}

function isResultDeleted(scan: Scan): boolean {
  return scan.result !== undefined && scan.legacy?.value.deleted_result === scan.result.value.blob.digest;
}

async function readV0Result(deps: RouteDeps, scan: Scan): Promise<JsonMembers> {
  return asV0(await readResult(deps, scan.id), isResultDeleted(scan));
}

/** A result in version 0's order; none stays `{}`. */
function asV0({scan_id, ...others}: JsonMembers, isDeleted: boolean): JsonMembers {
  return scan_id === undefined ? {} : {scan_id, is_deleted: isDeleted, ...others};
}
