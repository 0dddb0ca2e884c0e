import {canonicalJson} from '../lib/canonical-json.ts';
import {backlogOrder} from '../schema/backlog.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {Control} from '../schema/control.ts';
import {backlogKey, controlKey, scanKey} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {SkymapSpec} from '../schema/scan.ts';
import {deletedControl, replacedControl} from './control-change.ts';
import type {Scan} from './manifest.ts';
import {modRevisionOf} from './scan-record.ts';

/** What is to become of the scan that a rescan is asked for. */
export interface RescanOptions {
  /** It is marked as deleted and stopped, whether it has a final result or not. */
  readonly abortFirst: boolean;
  /** It points to the new scan from now on. One that pointed elsewhere is turned. */
  readonly replaceScan: boolean;
}

export interface RescanInput {
  /** The scan that the rescan is asked for, which may itself be a rescan. */
  readonly origin: Scan;
  /** The scan at the root of its lineage ({@link rootIdOf}), whose request is run again. */
  readonly root: Scan;
  readonly options: RescanOptions;
  /** Id of the new scan. Whoever must not create twice derives it from what is replaced; everybody else takes a new one. */
  readonly newId: string;
  readonly nowMs: number;
  /** Who asks for it, where that is known. */
  readonly user?: string;
}

/**
 * A rescan as one transaction: the new scan, its place in the backlog, and what becomes of the one before.
 *
 * It is refused when the new id is taken, the origin or the root is gone, or somebody has changed the origin's control meanwhile. The shapes are
 * those of the store's commits, which lie above the model and so cannot be named here.
 */
export interface RescanPlan {
  readonly spec: SkymapSpec;
  readonly specText: string;
  readonly compares: readonly (
    | {readonly key: string; readonly createRevision: number}
    | {readonly key: string; readonly modRevision: number}
    | {readonly key: string; readonly exists: true}
  )[];
  readonly ops: readonly {readonly put: string; readonly value: string}[];
}

/** The scan whose request a scan runs: its own where it is no rescan. */
export function rootIdOf({id, spec}: Scan): string {
  return spec.value.lineage?.root_scan_id ?? id;
}

/** Plans a rescan. Pure: REST and controllers alike call it, and commit what it says. */
export function planRescan({origin, root, options, newId, nowMs, user}: RescanInput): RescanPlan {
  const nowSeconds = nowMs / 1000;
  // Whatever else the root says of how it wants to be run holds for the rescan too; who asked for it and when does not.
  const {created_at: _, user: __, lineage: ___, request, ...others} = root.spec.value;
  const spec: SkymapSpec = {
    ...others,
    created_at: nowSeconds,
    lineage: {origin_scan_id: origin.id, root_scan_id: root.id},
    request: {...request, classifiers: {...request.classifiers, rescan: true, origin_scan_id: origin.id}},
    ...(user === undefined ? {} : {user}),
  };
  const specText = canonicalJson(spec);
  const {priority} = request;
  const entry: BacklogEntry = {next_attempt: 0, pending_timestamp: 0, priority, timestamp: nowSeconds};
  const control = controlAfter(origin, options, newId, nowSeconds);
  return {
    spec,
    specText,
    compares: [
      {key: scanKey(newId), createRevision: 0},
      {key: scanKey(root.id), exists: true},
      ...(origin.id === root.id ? [] : [{key: scanKey(origin.id), exists: true} as const]),
      ...(control === undefined ? [] : [{key: controlKey(origin.id), modRevision: modRevisionOf(origin, 'control')}]),
    ],
    ops: [
      {put: scanKey(newId), value: specText},
      putJson(backlogKey(backlogOrder(priority, nowMs), newId), entry),
      ...(control === undefined ? [] : [putJson(controlKey(origin.id), control)]),
    ],
  };
}

/** The origin's control as it is to be; `undefined` when it stays as it is. */
function controlAfter(origin: Scan, {abortFirst, replaceScan}: RescanOptions, newId: string, nowSeconds: number): Control | undefined {
  if (!abortFirst && !replaceScan) return undefined;
  const before = origin.control?.value ?? DEFAULT_CONTROL;
  const ended = abortFirst ? deletedControl(before, nowSeconds) : before;
  return replaceScan ? replacedControl(ended, newId) : ended;
}
