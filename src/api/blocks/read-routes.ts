import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import type {DescribedRoute, Parameter} from '../openapi/described-route.ts';
import type {JsonSchema} from '../../schema/validate.ts';
import {findAny, requireSound} from './kinds.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import {answerList, listParameters} from './list.ts';
import {NEXT_AFTER} from '../scans/find-answer.ts';
import {listAnswer} from './schema.ts';
import {wantsEvents} from './watchers.ts';
import type {Watchers} from './watchers.ts';

const LAST_EVENT_ID: Parameter = {
  name: 'Last-Event-ID',
  description: 'With events: the `id` of the last one that was seen; what changed since is told.',
  schema: {type: 'integer'},
};
const AS_EVENTS = 'With `Accept: text/event-stream` as server-sent events: `put` for what is there, `synced`, then `put` and `delete` as it changes.';

/** Looking at objects of one kind: all of them, one, or what changes. */
export function readRoutes<R extends AnyRecord>(deps: RouteDeps, kind: Kind<R>, item: JsonSchema, watchers: Watchers): DescribedRoute[] {
  const {root, noun, plural} = kind;
  return [
    {
      method: 'get',
      path: `/${root}`,
      name: `list${root.charAt(0).toUpperCase()}${root.slice(1)}`,
      roles: ['user'],
      deployments: true,
      summary: `All ${noun}s, or those that match, by id. ${AS_EVENTS}`,
      query: listParameters(kind),
      headers: [LAST_EVENT_ID],
      answer: listAnswer(plural, item),
      answerHeaders: [{name: NEXT_AFTER, schema: {type: 'string'}, description: 'What to send as `after` to get the next page.'}],
      otherAnswers: {503: {description: 'Too many watch now, or the database is away.'}},
      handle: async ({ctx}) => (wantsEvents(ctx) ? watchers.answer(kind, ctx) : answerList(deps, kind, ctx)),
    },
    {
      method: 'get',
      path: `/${root}/:${root}`,
      roles: ['user'],
      deployments: true,
      summary: `One ${noun}. ${AS_EVENTS}`,
      headers: [LAST_EVENT_ID],
      answer: item,
      otherAnswers: {409: {description: 'It is stored, but cannot be read; the reason names the key.'}},
      handle: async ({ctx, params}) => {
        const id = params[root] ?? '';
        if (wantsEvents(ctx)) return watchers.answer(kind, ctx, id);
        await freshForRead(deps, ctx);
        const record = findAny(kind, deps.cache, id);
        requireSound(record, 'spec');
        return kind.present(record);
      },
    },
  ];
}
