import {hasCode} from '../../lib/errors.ts';
import {mergeSort} from '../../lib/merge-sort.ts';
import type {Pace} from '../../lib/pace.ts';
import {MANIFEST_FIELDS, isScan} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {compileScanFilter} from '../../model/scan-filter.ts';
import type {ScanFilter} from '../../model/scan-filter.ts';
import type {ScanTable} from '../../store/cache.ts';
import {badRequest} from '../api-error.ts';
import {projectionOf} from '../projection.ts';
import type {Projection} from '../projection.ts';
import type {FindScansBody} from './schema.ts';

/** What one search may take. */
export interface FindLimits {
  /** Time that the search itself uses, not that it waits. */
  readonly seconds: number;
  /** Manifests in one answer. */
  readonly rows: number;
  /** Bytes of one answer. */
  readonly bytes: number;
}

export interface Found {
  /** Oldest first. */
  readonly scans: readonly Scan[];
  readonly projection: Projection;
  readonly isPaged: boolean;
  /** Of a page that more may follow: the id after which it does. */
  readonly nextAfter: string | undefined;
}

/** Fields that were large once; they are asked for with an explicit `["*"]` only. */
const LEFT_OUT: ReadonlySet<string> = new Set(['ewms_task', 'event_i3live_json_dict', 'event_i3live_json_dict__hash']);
const FIND_FIELDS: ReadonlySet<string> = new Set(MANIFEST_FIELDS.filter((field) => !LEFT_OUT.has(field)));

/**
 * The scans that match a filter, as they are at this moment, oldest first: all of them, or a page where the body asks for one.
 *
 * A search that takes too long is refused; a page ends early instead, so that who follows the pages always gets through.
 *
 * @throws ApiError `invalid`: a filter that cannot be used, or too much asked for at once
 */
export async function findScans(scans: ScanTable, body: FindScansBody, pace: Pace, limits: FindLimits): Promise<Found> {
  const projection = findProjection(body.manifest_projection);
  const isAnyDeleted = body.include_deleted === true || Object.hasOwn(body.filter, 'is_deleted');
  const isPaged = body.limit !== undefined || body.after !== undefined;
  return await refusing(async () => {
    const filter = compileScanFilter(isAnyDeleted ? body.filter : {...body.filter, is_deleted: false});
    // Records are replaced, never changed: these stay what they are now, however long the search takes.
    const records = [...candidates(scans, filter)].filter(isScan);
    const search = new Search(filter, pace, limits);
    const part = isPaged ? await search.page(records, body.after ?? '', Math.min(body.limit ?? limits.rows, limits.rows)) : await search.all(records);
    return {projection, isPaged, ...part};
  });
}

type Part = Pick<Found, 'scans' | 'nextAfter'>;

class Search {
  readonly #filter: ScanFilter;
  readonly #pace: Pace;
  readonly #limits: FindLimits;

  constructor(filter: ScanFilter, pace: Pace, limits: FindLimits) {
    this.#filter = filter;
    this.#pace = pace;
    this.#limits = limits;
  }

  async all(records: readonly Scan[]): Promise<Part> {
    const {rows, seconds} = this.#limits;
    const found: Scan[] = [];
    for (const scan of records) {
      if (this.#filter.matches(scan)) found.push(scan);
      if (found.length > rows) throw badRequest(`more than ${rows} scans match--ask for pages with 'limit' and 'after'`);
      if (!this.#pace.isDue()) continue;
      await rest(this.#pace);
      if (this.#isSpent()) throw badRequest(`this search takes more than ${seconds} s--narrow its filter, or ask for pages with 'limit' and 'after'`);
    }
    return {scans: await this.#sorted(found), nextAfter: undefined};
  }

  async page(records: readonly Scan[], after: string, limit: number): Promise<Part> {
    const sorted = await this.#sorted(after === '' ? records : records.filter((scan) => scan.id > after));
    const last = sorted.at(-1);
    const found: Scan[] = [];
    for (const scan of sorted) {
      if (this.#filter.matches(scan)) found.push(scan);
      if (found.length === limit) return {scans: found, nextAfter: scan === last ? undefined : scan.id};
      if (!this.#pace.isDue()) continue;
      await rest(this.#pace);
      if (this.#isSpent() && scan !== last) return {scans: found, nextAfter: scan.id};
    }
    return {scans: found, nextAfter: undefined};
  }

  #sorted(scans: readonly Scan[]): Promise<Scan[]> {
    // Ids begin with the time.
    const pause = (): Promise<void> | undefined => (this.#pace.isDue() ? rest(this.#pace) : undefined);
    return mergeSort(scans, (a, b) => (a.id < b.id ? -1 : 1), pause);
  }

  #isSpent(): boolean {
    return this.#pace.usedMs > this.#limits.seconds * 1000;
  }
}

/** Lets others run. @throws ApiError `invalid`: the client went away */
export async function rest(pace: Pace): Promise<void> {
  if (!(await pace.rest())) throw badRequest('Bad Request');
}

function findProjection(asked: string | readonly string[] | undefined): Projection {
  if (asked === undefined || typeof asked === 'string') return FIND_FIELDS;
  const projection = projectionOf(asked);
  if (projection !== undefined && asked.some((name) => LEFT_OUT.has(name))) throw badRequest('Bad Request');
  return projection;
}

/** What a filter is refused for is the caller's to know. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
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
