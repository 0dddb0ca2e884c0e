import {modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import * as keys from '../schema/keys.ts';
import type {Compare} from '../store/store.ts';

/** What every decision about a scan rests on: the transaction is refused when one of them has changed. */
export function decisionCompares(record: ScanRecord): Compare[] {
  const {id} = record;
  return [
    {key: keys.scanKey(id), modRevision: modRevisionOf(record, 'spec')},
    {key: keys.controlKey(id), modRevision: modRevisionOf(record, 'control')},
    {key: keys.admissionKey(id), modRevision: modRevisionOf(record, 'admission')},
    {key: keys.resultKey(id), modRevision: modRevisionOf(record, 'result')},
    ...stateCompares(record),
  ];
}

/** What a write rests on that says what has happened, whatever was wanted meanwhile. */
export function stateCompares(record: ScanRecord): Compare[] {
  return [{key: keys.stateKey(record.id), modRevision: modRevisionOf(record, 'state')}];
}
