import {unreachable} from '../lib/assert.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import {timeOfScanId} from '../schema/ids.ts';
import type {EventMetadata, ScannerProgress} from '../schema/progress.ts';
import type {Scalar, SkymapRequest, SkymapSpec} from '../schema/scan.ts';
import {isExternal} from './scan-record.ts';
import type {Entry, ScanRecord} from './scan-record.ts';
import {scannerServerArguments} from './scanner-command.ts';

/** What a scan's manifest shows while no workload manager has been asked. */
export const NOT_YET_REQUESTED = 'not-yet-requested';

/** SkyDriver's view of a scan: these 17 fields, in this order. Times are seconds since 1970 with a fraction. @see SkyDriver 2.x Manifest */
export interface Manifest {
  readonly scan_id: string;
  readonly timestamp: number;
  readonly is_deleted: boolean;
  readonly scanner_server_args: string;
  readonly ewms_workflow_id: string;
  readonly ewms_address: string | null;
  readonly ewms_task: string;
  readonly priority: number;
  readonly classifiers: Readonly<Record<string, Scalar>>;
  readonly i3_event_id: string;
  readonly event_i3live_json_dict: string;
  readonly event_i3live_json_dict__hash: string | null;
  readonly event_metadata: EventMetadata | null;
  readonly scan_metadata: Readonly<Record<string, unknown>> | null;
  readonly progress: ScannerProgress | null;
  readonly replaced_by_scan_id: string | null;
  readonly last_updated: number;
}

export const MANIFEST_FIELDS = [
  'scan_id',
  'timestamp',
  'is_deleted',
  'scanner_server_args',
  'ewms_workflow_id',
  'ewms_address',
  'ewms_task',
  'priority',
  'classifiers',
  'i3_event_id',
  'event_i3live_json_dict',
  'event_i3live_json_dict__hash',
  'event_metadata',
  'scan_metadata',
  'progress',
  'replaced_by_scan_id',
  'last_updated',
] as const satisfies readonly (keyof Manifest)[];
export type ManifestField = (typeof MANIFEST_FIELDS)[number];

const FIELD_SET: ReadonlySet<string> = new Set(MANIFEST_FIELDS);

/** Whether a manifest has a field of this name. */
export function isManifestField(name: string): name is ManifestField {
  return FIELD_SET.has(name);
}

/** A sky scan whose spec is there: one that exists for SkyDriver's users. */
export type Scan = Omit<ScanRecord, 'spec'> & {readonly spec: Entry<SkymapSpec>};

/** Whether it exists for SkyDriver's users: a sky scan whose spec is stored and parses. Other requests are none of theirs. */
export function isScan(record: ScanRecord | undefined): record is Scan {
  return record?.spec?.value.request !== undefined;
}

/** One field of a scan's manifest, computed alone so that a search need not build the other sixteen. */
export function manifestField(scan: Scan, field: ManifestField): unknown {
  const {request} = scan.spec.value;
  switch (field) {
    case 'scan_id':
      return scan.id;
    case 'timestamp':
      return timestampOf(scan);
    case 'is_deleted':
      return scan.control?.value.is_deleted ?? DEFAULT_CONTROL.is_deleted;
    case 'scanner_server_args':
      return scannerCommandLine(request);
    case 'ewms_workflow_id':
      return workflowIdOf(scan);
    case 'ewms_address':
      return scan.ewms?.value.ewms_address ?? null;
    case 'ewms_task':
      return "use 'ewms_workflow_id'";
    case 'priority':
      return scan.control?.value.priority ?? request.priority;
    case 'classifiers':
      return request.classifiers;
    case 'i3_event_id':
      return request.i3_event_id;
    case 'event_i3live_json_dict':
      return "use 'i3_event_id'";
    case 'event_i3live_json_dict__hash':
      return null;
    case 'event_metadata':
      return scan.progress?.value.event_metadata ?? null;
    case 'scan_metadata':
      return scan.progress?.value.scan_metadata ?? null;
    case 'progress':
      return scan.progress?.value.progress ?? null;
    case 'replaced_by_scan_id':
      return scan.control?.value.replaced_by_scan_id ?? null;
    case 'last_updated':
      return lastUpdatedOf(scan);
    default:
      return unreachable(field);
  }
}

/** The manifest of a scan. */
export function presentManifest(scan: Scan): Manifest {
  const manifest: Record<string, unknown> = {};
  for (const field of MANIFEST_FIELDS) manifest[field] = manifestField(scan, field);
  return manifest as unknown as Manifest;
}

/** Some fields of a scan's manifest, in the manifest's order. */
export function presentFields(scan: Scan, fields: ReadonlySet<string>): Partial<Manifest> {
  const manifest: Record<string, unknown> = {};
  for (const field of MANIFEST_FIELDS) if (fields.has(field)) manifest[field] = manifestField(scan, field);
  return manifest as Partial<Manifest>;
}

/** When the scan was asked for, in seconds since 1970; of one put by hand under an id of its own choice, 0. */
export function timestampOf(scan: Scan): number {
  return scan.spec.value.created_at ?? (timeOfScanId(scan.id) ?? 0) / 1000;
}

/** The smallest step that a double of today's seconds since 1970 can show safely. */
const MICROSECOND = 1e-6;

/** Moves with what users and scanners write, never with what the owner writes; always later than the timestamp. Seconds since 1970. */
function lastUpdatedOf(scan: Scan): number {
  const created = timestampOf(scan);
  return Math.max(
    created + MICROSECOND,
    scan.control?.value.updated_at ?? 0,
    scan.progress?.value.updated_at ?? 0,
    scan.ewms?.value.updated_at ?? 0,
    scan.legacy?.value.updated_at ?? 0,
  );
}

/**
 * Whether the scan has left the backlog for a workflow: an outside workload manager's from its hand-over on, our own engines' from admission on. The
 * admission itself goes away with the end.
 */
export function wasAdmitted(scan: ScanRecord): boolean {
  if (scan.ewms !== undefined) return true;
  if (isExternal(scan)) return false;
  const state = scan.state?.value;
  return scan.admission !== undefined || state?.started_at !== undefined || state?.name === 'RUNNING' || state?.name === 'COMPLETE';
}

/** The workflow that runs the scan: an outside one's id, else the scan's own from admission on. */
export function workflowIdOf(scan: ScanRecord): string {
  return scan.ewms?.value.workflow_id ?? (wasAdmitted(scan) ? scan.id : NOT_YET_REQUESTED);
}

/** The scanner server's command line as people see it: paths as inside the scanner's container, values of secret options hidden. */
export function scannerCommandLine(request: SkymapRequest): string {
  const args = scannerServerArguments(request, '/common-space', '/common-space/startup.json');
  return hideSecrets(`python -m skymap_scanner.server ${args.join(' ')}`);
}

const SECRET_NAME = /TOKEN|AUTH|PASS|SECRET/i;

/** Replaces by `***` what follows an option whose name looks secret, up to the next option; everything else stays as it is. */
export function hideSecrets(commandLine: string): string {
  if (!SECRET_NAME.test(commandLine)) return commandLine;
  let isHiding = false;
  return commandLine
    .split(' ')
    .map((word) => {
      if (!word.startsWith('-')) return isHiding && word !== '' ? '***' : word;
      const [name, ...value] = word.split('=');
      const isSecret = SECRET_NAME.test(name as string);
      isHiding = isSecret && value.length === 0;
      return isSecret && value.length > 0 ? `${name}=***` : word;
    })
    .join(' ');
}
