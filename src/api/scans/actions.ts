import type {Scan} from '../../model/manifest.ts';
import {uuidHex} from '../../schema/ids.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import {askedWorkersId} from '../idempotency/idempotency.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {SMALL_BODY_BYTES, missingBody, parseJson, readJsonBytes} from '../middleware/body.ts';
import {projectedManifestSchema} from '../manifest/schema.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY, flag} from '../openapi/parameters.ts';
import {projectManifest, projectionOf} from '../projection.ts';
import {Arguments} from '../validation/query.ts';
import {addWorkers} from './add-workers.ts';
import {rescan} from './rescan.ts';
import {addedWorkersAnswer, checkAddWorkers, checkRescan} from './schema.ts';

/** What can be done with a scan that is there: running its request again, giving it more workers. */
export function scanActionRoutes(deps: RouteDeps): DescribedRoute[] {
  return [
    {
      method: 'post',
      path: '/scan/:id/actions/rescan',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'Runs the request of a scan again, as a new scan.',
      query: [flag('abort_first', 'Deletes the scan first.'), flag('replace_scan', 'Sends users of the scan on to the new one.')],
      headers: [IDEMPOTENCY_KEY],
      body: checkRescan,
      mayLackBody: true,
      answer: projectedManifestSchema,
      handle: async ({ctx, scanId, principal}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        const body = checkRescan(bytes === undefined ? {} : parseJson(bytes));
        const args = new Arguments(ctx.querystring);
        const options = {
          abortFirst: args.boolean('abort_first', body.abort_first),
          replaceScan: args.boolean('replace_scan', body.replace_scan),
        };
        await freshForWrite(deps, ctx);
        const create = (remember: Remember): Promise<Scan> => rescan(deps, scanId, options, {user: principal.name, remember});
        const scan = await deps.idempotency.once(ctx, principal, bytes, create);
        return projectManifest(scan, projectionOf(body.manifest_projection));
      },
    },
    {
      method: 'post',
      path: '/scan/:id/actions/add-workers',
      redirect: true,
      roles: ['user'],
      summary: 'Asks for more workers of a scan that runs.',
      headers: [IDEMPOTENCY_KEY],
      body: checkAddWorkers,
      answer: addedWorkersAnswer,
      otherAnswers: {422: {description: 'The scan takes no workers (any more), and why.'}},
      handle: async ({ctx, scanId, principal}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        if (bytes === undefined) throw missingBody();
        const body = checkAddWorkers(parseJson(bytes));
        await freshForWrite(deps, ctx);
        const id = askedWorkersId(ctx, principal) ?? uuidHex();
        return addWorkers(deps, scanId, id, body);
      },
    },
  ];
}
