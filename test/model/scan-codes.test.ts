import {describe, expect, test} from 'vitest';
import {deactivationOf, scanCode, scanCodeFrom} from '../../src/model/scan-codes.ts';
import type {CodeFacts} from '../../src/model/scan-codes.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import type {ScanStateName} from '../../src/schema/state.ts';
import {aScan, entry} from '../support/builders.ts';

const withRate = (rate: unknown): CodeFacts['progress'] => ({processing_stats: {rate}});
const code = (facts: Partial<CodeFacts>): string =>
  scanCodeFrom({hasFinalResult: false, isAdmitted: true, progress: withRate({abc: 123}), ending: null, ...facts});

describe('state codes', () => {
  test('case 54: a final result is all that counts', () => {
    expect(code({hasFinalResult: true, ending: 'ABORTED', isAdmitted: false, progress: null})).toBe('SCAN_HAS_FINAL_RESULT');
    expect(code({hasFinalResult: true})).toBe('SCAN_HAS_FINAL_RESULT');
  });

  test.each([
    [55, withRate({abc: 123}), true, 'PARTIAL_RESULT_GENERATED', 'IN_PROGRESS'],
    [56, withRate(null), true, 'WAITING_ON_FIRST_PIXEL_RECO', 'IN_PROGRESS'],
    [56, withRate({}), true, 'WAITING_ON_FIRST_PIXEL_RECO', 'IN_PROGRESS'],
    [57, null, true, 'WAITING_ON_SCANNER_SERVER_STARTUP', 'PENDING'],
    [58, null, false, 'PRESTARTUP', 'PENDING'],
    [58, withRate({abc: 123}), false, 'PRESTARTUP', 'PENDING'],
  ] as const)('case %i: progress %j, admitted %s', (_case, progress, isAdmitted, last, first) => {
    expect(code({progress, isAdmitted})).toBe(`${first}__${last}`);
    for (const ending of ['ABORTED', 'FINISHED']) expect(code({progress, isAdmitted, ending})).toBe(`${ending}__${last}`);
  });
});

describe('how a scan’s end shows', () => {
  const inState = (name: ScanStateName, more: Partial<ScanRecord> = {}): ScanRecord =>
    aScan({state: entry({name, attempt: 1, started_at: '2026-01-01T00:00:00.000Z'}), ...more});
  const deleted = {control: entry({...DEFAULT_CONTROL, desired: 'stop', is_deleted: true} as const)};
  const stopped = {control: entry({...DEFAULT_CONTROL, desired: 'stop'} as const)};
  const waiting = (scan: ScanRecord): ScanRecord => {
    const {admission: _, ...rest} = scan;
    return rest;
  };

  test('a running scan goes on', () => {
    expect(deactivationOf(inState('RUNNING'))).toBeNull();
    expect(scanCode(inState('RUNNING'))).toBe('PENDING__WAITING_ON_SCANNER_SERVER_STARTUP');
  });

  test('deleted and stopped scans are ABORTED, even before their jobs have ended', () => {
    for (const more of [deleted, stopped]) {
      expect(deactivationOf(inState('RUNNING', more))).toBe('ABORTED');
      expect(scanCode(inState('STOPPED', more))).toBe('ABORTED__WAITING_ON_SCANNER_SERVER_STARTUP');
    }
  });

  test('a complete scan is FINISHED, even if it is deleted afterwards', () => {
    expect(deactivationOf(inState('COMPLETE', deleted))).toBe('FINISHED');
  });

  test('a scan that failed shows as STOPPED, and its scanner is told to end', () => {
    expect(scanCode(inState('FAIL'))).toBe('STOPPED__WAITING_ON_SCANNER_SERVER_STARTUP');
    expect(deactivationOf(inState('FAIL'))).toBe('ABORTED');
  });

  test('a scan that was deleted while it waited shows as if it still did', () => {
    const scan = waiting(aScan(deleted));
    expect(scanCode(scan)).toBe('PENDING__PRESTARTUP');
    expect(deactivationOf(scan)).toBeNull();
    expect(scanCode({...scan, state: entry({name: 'STOPPED', attempt: 1})})).toBe('PENDING__PRESTARTUP');
  });

  test('the code stays what it was when the admission goes away with the end', () => {
    expect(scanCode(waiting(inState('STOPPED')))).toBe('ABORTED__WAITING_ON_SCANNER_SERVER_STARTUP');
  });
});
