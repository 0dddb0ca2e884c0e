import type {ScriptRecord} from '../../model/block-record.ts';
import {scriptId} from '../../schema/block-ids.ts';
import {scriptKey} from '../../schema/keys.ts';
import {parseScript} from '../../schema/script.ts';
import type {RouteDeps} from '../deps.ts';
import {changeRecord} from '../compare-and-set.ts';
import {freshForWrite} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY} from '../openapi/parameters.ts';
import {readBlockBody} from './body.ts';
import {answerCreated, createdAnswers, newEntry, storable} from './create.ts';
import type {Creation} from './create.ts';
import {deleteRoute} from './delete.ts';
import {SCRIPT, findAny} from './kinds.ts';
import {taken} from './new-blocks.ts';
import {presentScript} from './present.ts';
import {checkCreateScript, checkPutScript, scriptAnswer} from './schema.ts';
import type {NewScript} from './schema.ts';

/** The registry of processing scripts. */
export function scriptRoutes(deps: RouteDeps): DescribedRoute[] {
  return [
    {
      method: 'post',
      path: '/script',
      roles: ['user'],
      summary: 'Registers a processing script: an image, or a command where processes of this host are run.',
      headers: [IDEMPOTENCY_KEY],
      body: checkCreateScript,
      answer: scriptAnswer,
      otherAnswers: createdAnswers(scriptAnswer),
      handle: async ({ctx, principal}) => {
        const {body, bytes} = await readBlockBody(ctx, checkCreateScript);
        await freshForWrite(deps, ctx);
        return answerCreated(deps, SCRIPT, {ctx, principal, bytes}, () => planScript(deps, body));
      },
    },
    {
      method: 'put',
      path: '/script/:script',
      roles: ['user'],
      summary: 'Replaces what is registered of a script. Blocks that have started keep what they started with.',
      body: checkPutScript,
      answer: scriptAnswer,
      handle: async ({ctx, params}) => {
        const {body} = await readBlockBody(ctx, checkPutScript);
        await freshForWrite(deps, ctx);
        return changeRecord(
          deps,
          params['script'] ?? '',
          (_, id) => findAny(SCRIPT, deps.cache, id),
          ({id, spec, bad}) => {
            const key = scriptKey(id);
            const {value, text} = storable(deps, key, body, parseScript);
            return {
              commit: {compares: [{key, modRevision: (spec ?? bad?.get('spec'))?.modRevision ?? 0}], ops: [{put: key, value: text}]},
              answer: (revision) => presentScript({id, spec: newEntry(value, revision)}),
            };
          },
        );
      },
    },
    deleteRoute(deps, SCRIPT, scriptAnswer, 'Removes a script from the registry.', ({id}) => [{delete: scriptKey(id)}]),
  ];
}

/** @throws ApiError 409: it is registered already */
function planScript(deps: RouteDeps, {kind, name, version, ...script}: NewScript): Creation<ScriptRecord> {
  const id = scriptId({kind, name, version});
  if (deps.cache.scripts.get(id) !== undefined) throw taken('script', id);
  const key = scriptKey(id);
  const {value, text} = storable(deps, key, script, parseScript);
  return {
    id,
    commit: {compares: [{key, createRevision: 0}], ops: [{put: key, value: text}]},
    made: (revision) => ({id, spec: newEntry(value, revision)}),
  };
}
