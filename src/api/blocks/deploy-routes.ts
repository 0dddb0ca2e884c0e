import type {DeployRecord} from '../../model/block-record.ts';
import {parseDeployment} from '../../schema/deployment.ts';
import {deployKey, pbKey} from '../../schema/keys.ts';
import type {Compare} from '../../store/store.ts';
import {badRequest} from '../api-error.ts';
import type {Principal} from '../auth/authenticate.ts';
import {changeRecord} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY} from '../openapi/parameters.ts';
import {ownBlock, requireOwnDeployment} from './access.ts';
import {readBlockBody} from './body.ts';
import {answerCreated, createdAnswers, newEntry, storable} from './create.ts';
import type {Creation} from './create.ts';
import {deleteRoute} from './delete.ts';
import {DEPLOYMENT, findBlock} from './kinds.ts';
import {taken} from './new-blocks.ts';
import {presentDeployment} from './present.ts';
import {checkCreateDeployment, checkPutDeployment, deploymentAnswer} from './schema.ts';
import type {NewDeployment, PutDeploymentBody} from './schema.ts';

/** Making, changing and removing deployments: what runs follows. */
export function deployRoutes(deps: RouteDeps): DescribedRoute[] {
  return [
    {
      method: 'post',
      path: '/deploy',
      roles: ['user'],
      deployments: true,
      summary: 'Makes a deployment: what is to run until it is removed, or its processing block is.',
      headers: [IDEMPOTENCY_KEY],
      body: checkCreateDeployment,
      answer: deploymentAnswer,
      otherAnswers: createdAnswers(deploymentAnswer),
      handle: async ({ctx, principal}) => {
        const {body, bytes} = await readBlockBody(ctx, checkCreateDeployment);
        await freshForWrite(deps, ctx);
        return answerCreated(deps, DEPLOYMENT, {ctx, principal, bytes}, () => planDeployment(deps, principal, body));
      },
    },
    {
      method: 'put',
      path: '/deploy/:deploy',
      roles: ['user'],
      deployments: true,
      summary: 'Replaces a deployment. With other args what runs is stopped, and the new is started. Its id, type and processing block stay.',
      body: checkPutDeployment,
      answer: deploymentAnswer,
      otherAnswers: {409: {description: 'It is damaged: remove it.'}},
      handle: async ({ctx, principal, params}) => {
        const {body} = await readBlockBody(ctx, checkPutDeployment);
        await freshForWrite(deps, ctx);
        return putDeployment(deps, principal, params['deploy'] ?? '', body);
      },
    },
    deleteRoute(
      deps,
      DEPLOYMENT,
      deploymentAnswer,
      'Removes a deployment. What runs is stopped; its state goes when nothing runs any more.',
      ({id}) => [{delete: deployKey(id)}],
      (principal, {id, spec}) => requireOwnDeployment(deps.cache, principal, {id, ...pbIdOf(spec?.value.pb_id)}),
    ),
  ];
}

/** @throws ApiError `invalid`: there is no such block; `forbidden`; 409: its id is taken */
function planDeployment(deps: RouteDeps, principal: Principal, body: NewDeployment): Creation<DeployRecord> {
  const {cache} = deps;
  const {id} = body;
  requireOwnDeployment(cache, principal, body);
  const pbId = body.pb_id ?? ownBlock(cache, principal);
  const present = cache.deployments.get(id);
  if (present?.spec !== undefined || present?.bad?.has('spec') === true) throw taken(DEPLOYMENT.noun, id);
  if (pbId !== undefined && cache.pbs.get(pbId)?.spec === undefined) throw badRequest(`pb_id: there is no processing block ${pbId}`);
  const key = deployKey(id);
  const {value, text} = storable(deps, key, {...body, ...pbIdOf(pbId)}, parseDeployment);
  const compares: Compare[] = [{key, createRevision: 0}];
  if (pbId !== undefined) compares.push({key: pbKey(pbId), exists: true});
  return {
    id,
    commit: {compares, ops: [{put: key, value: text}]},
    made: (revision) => ({id, spec: newEntry(value, revision)}),
  };
}

/** @throws ApiError `invalid`, `not_found`, `forbidden`, 409 */
function putDeployment(deps: RouteDeps, principal: Principal, deploymentId: string, body: PutDeploymentBody): Promise<object> {
  return changeRecord(
    deps,
    deploymentId,
    (_, id) => findBlock(DEPLOYMENT, deps.cache, id),
    (record) => {
      const {id, spec} = record;
      const {type, pb_id} = spec.value;
      requireOwnDeployment(deps.cache, principal, spec.value);
      for (const [name, stored] of Object.entries({id, type, pb_id})) {
        const wanted = body[name];
        if (wanted !== undefined && wanted !== stored) throw badRequest(`${name}: cannot be changed`);
      }
      const key = deployKey(id);
      const {value, text} = storable(deps, key, {...body, id, type, ...pbIdOf(pb_id)}, parseDeployment);
      return {
        commit: {compares: [{key, modRevision: spec.modRevision}], ops: [{put: key, value: text}]},
        answer: (revision) => presentDeployment({...record, spec: {...spec, value, modRevision: revision}}),
      };
    },
  );
}

const pbIdOf = (pbId: string | undefined): {readonly pb_id?: string} => (pbId === undefined ? {} : {pb_id: pbId});
