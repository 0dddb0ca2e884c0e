import {findScan} from '../compare-and-set.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {encodeJson} from '../json/raw-json.ts';
import {missingBody, readArguments, readJsonBytes} from '../middleware/body.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {INCLUDE_DELETED} from '../openapi/parameters.ts';
import {requireVisible} from '../visibility.ts';
import {readResult} from './present.ts';
import {parseResultBody, putResult} from './put.ts';
import {checkPutResult, resultAnswer} from './schema.ts';

/** What a scan has found. */
export function resultRoutes(deps: RouteDeps): DescribedRoute[] {
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {
      method: 'get',
      path: '/scan/:id/result',
      redirect: true,
      roles: ['user'],
      summary: 'What a scan has found so far, or for good; `{}` while there is nothing.',
      query: [INCLUDE_DELETED],
      answer: resultAnswer,
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        await freshForRead(deps, ctx);
        requireVisible(findScan(deps, scanId), args);
        return encodeJson(await readResult(deps, scanId));
      },
    },
    {
      method: 'put',
      path: '/scan/:id/result',
      roles: ['system'],
      summary: 'Takes a scanner’s result. An empty one is not stored, and a final one is not replaced by one that is not.',
      body: checkPutResult,
      answer: resultAnswer,
      handle: async ({ctx, scanId}) => {
        const bytes = await readJsonBytes(ctx, limitBytes);
        if (bytes === undefined) throw missingBody();
        const incoming = await parseResultBody(bytes);
        await freshForWrite(deps);
        return encodeJson(await putResult(deps, scanId, incoming));
      },
    },
  ];
}
