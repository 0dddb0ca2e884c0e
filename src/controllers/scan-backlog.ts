import {priorityOf} from '../model/admission-plan.ts';
import {modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {backlogOrder} from '../schema/backlog.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import {timeOfScanId} from '../schema/ids.ts';
import * as keys from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Commit, Compare} from '../store/store.ts';

/** A scan's place in the backlog as transactions: made, removed, moved. */

type Waiting = NonNullable<ScanRecord['backlog']>;

export function enlisting(record: ScanRecord, nowMs: number): Commit {
  const {id} = record;
  const createdMs = record.spec?.value.created_at === undefined ? timeOfScanId(id) : record.spec.value.created_at * 1000;
  const timestampMs = createdMs ?? nowMs;
  const priority = priorityOf(record);
  const entry: BacklogEntry = {timestamp: timestampMs / 1000, priority, pending_timestamp: 0, next_attempt: 0};
  const key = keys.backlogKey(backlogOrder(priority, timestampMs), id);
  // A damaged entry of the same name is written anew; any other stays, and shows as what it is.
  const standing = [...(record.bad?.values() ?? [])].find((bad) => bad.key === key);
  return {compares: [{key, modRevision: standing?.modRevision ?? 0}, ...unchanged(record)], ops: [putJson(key, entry)]};
}

export function striking(record: ScanRecord, backlog: Waiting): Commit {
  const key = keys.backlogKey(backlog.order, record.id);
  return {compares: [{key, modRevision: backlog.modRevision}, ...unchanged(record)], ops: [{delete: key}]};
}

/** To where its priority puts it now. */
export function moving(record: ScanRecord, backlog: Waiting): Commit {
  const priority = priorityOf(record);
  const from = keys.backlogKey(backlog.order, record.id);
  const to = keys.backlogKey(backlogOrder(priority, backlog.value.timestamp * 1000), record.id);
  const entry = putJson(to, {...backlog.value, priority});
  return {compares: [{key: from, modRevision: backlog.modRevision}, ...unchanged(record)], ops: from === to ? [entry] : [{delete: from}, entry]};
}

/** What an admission rests on. A terminal state, a stop or a deletion that comes meanwhile refuses it. A running scan's state may move on freely. */
export function unchanged(record: ScanRecord): Compare[] {
  const {id} = record;
  const compares: Compare[] = [
    {key: keys.scanKey(id), modRevision: modRevisionOf(record, 'spec')},
    {key: keys.controlKey(id), modRevision: modRevisionOf(record, 'control')},
  ];
  if (record.admission === undefined) compares.push({key: keys.stateKey(id), modRevision: modRevisionOf(record, 'state')});
  return compares;
}
