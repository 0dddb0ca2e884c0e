import type {JsonSchema} from '../../schema/validate.ts';
import type {Op} from '../../store/store.ts';
import {changeRecord} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import type {Principal} from '../auth/authenticate.ts';
import {readOptionalBody} from './body.ts';
import {findAny} from './kinds.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import {checkEmpty} from './schema.ts';

/**
 * Removes an object, damaged or not, and what belongs to it in one transaction; as etcdctl would, whoever owns it: the answer says who did.
 *
 * @param may throws where the caller may not
 */
export function deleteRoute<R extends AnyRecord>(
  deps: RouteDeps,
  kind: Kind<R>,
  answer: JsonSchema,
  summary: string,
  opsOf: (record: R) => readonly Op[],
  may?: (principal: Principal, record: R) => void,
): DescribedRoute {
  return {
    method: 'delete',
    path: `/${kind.root}/:${kind.root}`,
    roles: ['user'],
    ...(may === undefined ? {} : {deployments: true}),
    summary: `${summary} Answers with what there was.`,
    body: checkEmpty,
    mayLackBody: true,
    answer,
    handle: async ({ctx, principal, params}) => {
      await readOptionalBody(ctx, checkEmpty);
      await freshForWrite(deps, ctx);
      return changeRecord(
        deps,
        params[kind.root] ?? '',
        (_, id) => findAny(kind, deps.cache, id),
        (record) => {
          may?.(principal, record);
          const key = kind.key(record.id);
          // Whatever was written meanwhile: it is this object that goes, and none of the same name after it.
          const createRevision = (record.spec ?? record.bad?.get('spec'))?.createRevision ?? 0;
          return {commit: {compares: [{key, createRevision}], ops: opsOf(record)}, answer: () => kind.present(record)};
        },
      );
    },
  };
}
