import {compileFilter} from './filter/filter.ts';
import {NOT_YET_REQUESTED, isManifestField, manifestField} from './manifest.ts';
import type {Scan} from './manifest.ts';
import {runEventValue} from './scan-indexes.ts';
import type {ScanIndexName} from './scan-indexes.ts';

/** Every match is filed under `value` in the index, or is the scan `orId`. */
export interface IndexHint {
  readonly index: ScanIndexName;
  readonly value: string;
  readonly orId?: string;
}

/** A compiled filter over manifests. */
export interface ScanFilter {
  /** @throws ControlPlaneError `invalid`: it would take too long on this scan */
  readonly matches: (scan: Scan) => boolean;
  /** Equalities that every match fulfils and that the cache has an index for: each narrows the search by itself. */
  readonly indexed: readonly IndexHint[];
  /** The one id that can match, when the filter names it. */
  readonly id?: string;
}

/** Compiles a MongoDB filter over manifests. @throws ControlPlaneError `invalid`, naming the operator that is not offered or used wrongly */
export function compileScanFilter(filter: Readonly<Record<string, unknown>>): ScanFilter {
  const {matches, equalities} = compileFilter(filter, manifestReader());
  const indexed = indexedIn(equalities);
  const id = equalities.get('scan_id');
  return {matches, indexed, ...(typeof id === 'string' ? {id} : {})};
}

/** Reads fields of manifests. The one that is built from many others is built once per scan, however many conditions ask for it. */
function manifestReader(): (scan: Scan, name: string) => unknown {
  let built: {readonly scan: Scan; readonly text: unknown} | undefined;
  return (scan, name) => {
    if (!isManifestField(name)) return undefined;
    if (name !== 'scanner_server_args') return manifestField(scan, name);
    if (built?.scan !== scan) built = {scan, text: manifestField(scan, name)};
    return built.text;
  };
}

function indexedIn(equal: ReadonlyMap<string, unknown>): IndexHint[] {
  const found: IndexHint[] = [];
  const runId = equal.get('event_metadata.run_id');
  const eventId = equal.get('event_metadata.event_id');
  if (typeof runId === 'number' && typeof eventId === 'number') found.push({index: 'run_event', value: runEventValue(runId, eventId)});
  const event = equal.get('i3_event_id');
  if (typeof event === 'string') found.push({index: 'event', value: event});
  const workflow = equal.get('ewms_workflow_id');
  if (typeof workflow === 'string' && workflow !== NOT_YET_REQUESTED) found.push({index: 'workflow', value: workflow, orId: workflow});
  if (equal.get('is_deleted') === true) found.push({index: 'deleted', value: 'true'});
  return found;
}
