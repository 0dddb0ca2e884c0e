import {hasCode} from '../../lib/errors.ts';
import {MANIFEST_FIELDS, isScan} from '../../model/manifest.ts';
import type {Manifest, Scan} from '../../model/manifest.ts';
import {compileScanFilter} from '../../model/scan-filter.ts';
import type {ScanFilter} from '../../model/scan-filter.ts';
import type {ScanTable} from '../../store/cache.ts';
import {badRequest} from '../api-error.ts';
import {projectManifest, projectionOf} from '../projection.ts';
import type {Projection} from '../projection.ts';
import type {FindScansBody} from './schema.ts';

/** Fields that were large once; they are asked for with an explicit `["*"]` only. */
const LEFT_OUT: ReadonlySet<string> = new Set(['ewms_task', 'event_i3live_json_dict', 'event_i3live_json_dict__hash']);
const FIND_FIELDS: ReadonlySet<string> = new Set(MANIFEST_FIELDS.filter((field) => !LEFT_OUT.has(field)));

/** The manifests that match a filter, oldest first; which ones is settled at once, each is built when it is asked for. @throws ApiError `invalid` */
export function findManifests(scans: ScanTable, body: FindScansBody): Iterable<Partial<Manifest>> {
  const projection = findProjection(body.manifest_projection);
  const filter = compiled(
    body.include_deleted === true || Object.hasOwn(body.filter, 'is_deleted') ? body.filter : {...body.filter, is_deleted: false},
  );
  const found: Scan[] = [];
  for (const scan of candidates(scans, filter)) if (isScan(scan) && filter.matches(scan)) found.push(scan);
  found.sort((a, b) => (a.id < b.id ? -1 : 1)); // Ids begin with the time.
  return found.values().map((scan) => projectManifest(scan, projection));
}

function findProjection(asked: string | readonly string[] | undefined): Projection {
  if (asked === undefined || typeof asked === 'string') return FIND_FIELDS;
  const projection = projectionOf(asked);
  if (projection !== undefined && asked.some((name) => LEFT_OUT.has(name))) throw badRequest('Bad Request');
  return projection;
}

function compiled(filter: Readonly<Record<string, unknown>>): ScanFilter {
  try {
    return compileScanFilter(filter);
  } catch (err) {
    if (hasCode(err, 'invalid')) throw badRequest(err.detail);
    throw err;
  }
}

/** The fewest scans that must be looked at. */
function* candidates(scans: ScanTable, filter: ScanFilter): Iterable<ReturnType<ScanTable['get']>> {
  if (filter.id !== undefined) return void (yield scans.get(filter.id));
  let best: {ids: ReadonlySet<string>; orId: string | undefined} | undefined;
  for (const {index, value, orId} of filter.indexed) {
    const ids = scans.idsBy(index, value);
    if (best === undefined || ids.size < best.ids.size) best = {ids, orId};
  }
  if (best === undefined || best.ids.size > scans.size / 2) return void (yield* scans.values());
  for (const id of best.ids) yield scans.get(id);
  if (best.orId !== undefined && !best.ids.has(best.orId)) yield scans.get(best.orId);
}
