import {projectManifest} from '../../src/api/projection.ts';
import {DEFAULT_FIND_LIMITS} from '../../src/api/scans/find-answer.ts';
import {findScans} from '../../src/api/scans/find.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {Pace} from '../../src/lib/pace.ts';
import {SCAN_INDEXES} from '../../src/model/scan-indexes.ts';
import {newEventId, newScanId} from '../../src/schema/ids.ts';
import {parseKey} from '../../src/schema/keys.ts';
import {IndexedScans} from '../../src/store/indexed-scans.ts';
import {ScanDraft, partOf} from '../../src/store/scan-draft.ts';
import type {ScanRef} from '../../src/store/scan-draft.ts';
import {Sharing} from '../../src/store/sharing.ts';
import {msBetween, nowNs} from '../lib/machine.ts';
import {serve} from '../lib/remote.ts';
import {runningScan} from '../lib/sample-scan.ts';
import {median} from '../lib/stats.ts';
import {copier, varied} from '../lib/template.ts';

/** Rescans of one event: what a search by event finds. */
const PER_EVENT = 10;

let scans = new IndexedScans(SCAN_INDEXES);
let eventIds: readonly string[] = [];

/** Running scans, as the watch cache holds them. */
function fill(count: number): void {
  scans = new IndexedScans(SCAN_INDEXES);
  const sharing = new Sharing();
  const template = runningScan(Date.now());
  const copy = copier(template);
  const templateEvent = /"i3_event_id": "([0-9a-f]{32})"/.exec(template.entries[0]?.value ?? '')?.[1] ?? '';
  eventIds = Array.from({length: Math.ceil(count / PER_EVENT)}, newEventId);
  for (let n = 0; n < count; n++) {
    const id = newScanId(Date.now() - Math.random() * 1e9);
    const draft = new ScanDraft(id, undefined);
    const eventId = eventIds[n % eventIds.length] ?? '';
    for (const {key, value} of copy(id)) {
      const ref = parseKey(key) as ScanRef;
      const text = varied(value).replace(templateEvent, eventId);
      const parsed = sharing.parsed(ref.kind, text, () => JSON.parse(text) as object);
      draft.set(partOf(ref), {value: parsed, createRevision: n + 1, modRevision: n + 1, lease: '0'});
    }
    scans.replace(id, undefined, draft.publish());
  }
}

type Found = readonly {readonly scan_id?: string}[];

async function find(eventId: string): Promise<Found> {
  const body = {filter: {i3_event_id: eventId}, manifest_projection: ['scan_id']};
  const found = await findScans(scans, body, new Pace(systemClock), DEFAULT_FIND_LIMITS);
  return found.scans.map((scan) => projectManifest(scan, found.projection));
}

/** The same search as one would write it by hand over the same objects. */
function loop(eventId: string): Found {
  const found: {readonly scan_id: string}[] = [];
  for (const scan of scans.values()) {
    if (scan.spec?.value.request?.i3_event_id === eventId && scan.control?.value.is_deleted !== true) found.push({scan_id: scan.id});
  }
  return found.sort((a, b) => (a.scan_id < b.scan_id ? -1 : 1));
}

/** Milliseconds per search (the median), in turn A B B A. Cold: other data passes through the processor's caches before each one. */
async function compare(searches: number, isCold: boolean): Promise<{a: readonly number[]; b: readonly number[]}> {
  const other = isCold ? new Float64Array(8 * 2 ** 20) : undefined; // 64 MiB
  const timed = async (search: (eventId: string) => Found | Promise<Found>): Promise<number> => {
    const taken: number[] = [];
    for (let n = 0; n < searches; n++) {
      const eventId = eventIds[(n * 7919) % eventIds.length] ?? '';
      other?.fill(n);
      const from = nowNs();
      const {length} = await search(eventId);
      taken.push(msBetween(from, nowNs()));
      if (length !== PER_EVENT) throw new Error(`found ${length} scans, not ${PER_EVENT}`);
    }
    return median(taken);
  };
  if (!isCold) {
    await timed(find);
    await timed(loop);
  }
  const [a1, b1, b2, a2] = [await timed(find), await timed(loop), await timed(loop), await timed(find)];
  return {a: [a1, a2], b: [b1, b2]};
}

const methods = {fill, compare};
export type FindProcess = typeof methods;
serve(methods);
