import {isScan, timestampOf} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {runEventValue} from '../../model/scan-indexes.ts';
import type {ScanTable} from '../../store/cache.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, requireEtcd} from '../freshness.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {encodeJson} from '../json/raw-json.ts';
import {readArguments} from '../middleware/body.ts';
import {readOlderBytes, requireDict} from '../older/body.ts';
import {eventAsSent, readV0Manifest} from '../older/manifest.ts';
import type {Route} from '../route.ts';
import {parseCreateBody} from '../scans/create-body.ts';
import {DockerTags} from '../scans/docker-tag.ts';
import {createV0Scan} from './create.ts';
import {checkCreateV0, checkFindV0} from './schema.ts';
import type {FindV0Arguments} from './schema.ts';

/** Asking for scans, and finding those of an event. */
export function v0ScanRoutes(deps: RouteDeps): Route[] {
  // A minimum is of releases that speak version 2.
  const tags = new DockerTags({...deps.config, minImageTag: ''}, deps.clock);
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {method: 'get', path: '/', roles: ['user'], handle: async () => ({})},
    {
      method: 'post',
      path: '/scan',
      roles: ['user'],
      handle: async ({ctx, principal}) => {
        const bytes = await readOlderBytes(ctx, limitBytes);
        const {body, outline} = await parseCreateBody(bytes, (value) => checkCreateV0(requireDict(value)));
        requireEtcd(deps);
        const create = (remember: Remember): Promise<Scan> => createV0Scan(deps, tags, body, outline, {user: principal.name, remember});
        const scan = await deps.idempotency.once(ctx, principal, bytes, create);
        return encodeJson(await readV0Manifest(deps, scan, eventAsSent(body.event_i3live_json, outline)));
      },
    },
    {
      method: 'get',
      path: '/scans',
      roles: ['user'],
      handle: async ({ctx}) => {
        const args = await readArguments(ctx);
        const names = ['run_id', 'event_id', 'is_real_event', 'include_deleted'];
        const wanted = checkFindV0(Object.fromEntries(names.map((name) => [name, args.text(name)]).filter(([, text]) => text !== undefined)));
        await freshForRead(deps, ctx);
        return {event_id: wanted.event_id, scan_ids: idsOfEvent(deps.cache.scans, wanted)};
      },
    },
  ];
}

/** The scans whose scanner reported this event, oldest first. */
function idsOfEvent(scans: ScanTable, {run_id, event_id, is_real_event, include_deleted}: FindV0Arguments): string[] {
  const found: Scan[] = [];
  for (const id of scans.idsBy('run_event', runEventValue(run_id, event_id))) {
    const scan = scans.get(id);
    if (!isScan(scan) || scan.progress?.value.event_metadata?.is_real_event !== is_real_event) continue;
    if (include_deleted === true || scan.control?.value.is_deleted !== true) found.push(scan);
  }
  return found.sort((a, b) => timestampOf(a) - timestampOf(b)).map(({id}) => id);
}
