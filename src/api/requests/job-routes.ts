import {jsonOf} from '../../proto/fields.ts';
import {bearerOf} from '../auth/authenticate.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import {SMALL_BODY_BYTES} from '../middleware/body.ts';
import {readRequestBody} from './body.ts';
import {takeReport} from './job-report.ts';
import {answerEmpty} from './route.ts';
import type {RequestRoute} from './route.ts';

/** What running jobs say of themselves, with the token of their try. */
export function jobRoutes(deps: RouteDeps): RequestRoute[] {
  return (['post', 'put'] as const).map((method) => ({
    method,
    path: '/api/v1/requests/:id/jobs/:job/report',
    who: 'job',
    handle: async ({ctx, requestId, jobId}) => {
      const token = bearerOf(ctx.req.headers.authorization);
      const {value} = await readRequestBody(ctx, SMALL_BODY_BYTES, jsonOf);
      await freshForWrite(deps, ctx);
      await takeReport(deps, requestId, jobId, token, value);
      return answerEmpty(ctx);
    },
  }));
}
