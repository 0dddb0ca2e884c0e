import {canonicalJson} from '../lib/canonical-json.ts';
import {hasCode} from '../lib/errors.ts';
import {notFound} from './api-error.ts';
import type {RouteDeps} from './deps.ts';
import {RawJson} from './json/raw-json.ts';
import type {StreamedJson} from './json/raw-json.ts';
import {storedJson} from './stored-json.ts';

/** An i3 event's JSON, as it was sent. @returns `undefined` if there is none of that id */
export async function readEvent(deps: RouteDeps, eventId: string): Promise<RawJson | StreamedJson | undefined> {
  const header = deps.cache.events.get(eventId)?.value;
  if (header?.blob === undefined) return header?.json_dict === undefined ? undefined : RawJson.of(canonicalJson(header.json_dict));
  try {
    return await storedJson(deps, 'event', eventId, header.blob);
  } catch (err) {
    if (hasCode(err, 'not_found')) return undefined; // Removed by hand: an event is never replaced.
    throw err;
  }
}

export const noEvent = (eventId: string, advice = ''): ReturnType<typeof notFound> =>
  notFound(`No i3 event document found with id '${eventId}'${advice}`);
