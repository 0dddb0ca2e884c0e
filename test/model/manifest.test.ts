import {describe, expect, test} from 'vitest';
import {MANIFEST_FIELDS, hideSecrets, isScan, presentFields, presentManifest, scannerCommandLine} from '../../src/model/manifest.ts';
import type {Scan} from '../../src/model/manifest.ts';
import {presentWorkforce} from '../../src/model/workforce.ts';
import type {Job} from '../../src/schema/job.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import {aJob, aScan, aSpec, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';

const scanOf = (more: Partial<ScanRecord> = {}): Scan => aScan(more) as Scan;

describe('the manifest', () => {
  test('has SkyDriver’s 17 fields in SkyDriver’s order', () => {
    expect(Object.keys(presentManifest(scanOf()))).toEqual([...MANIFEST_FIELDS]);
    expect(MANIFEST_FIELDS).toHaveLength(17);
  });

  test('shows a new scan with nothing requested and nothing reported', () => {
    const {admission: _, ...waiting} = scanOf();
    expect(presentManifest(waiting)).toMatchObject({
      is_deleted: false,
      ewms_workflow_id: 'not-yet-requested',
      ewms_address: null,
      ewms_task: "use 'ewms_workflow_id'",
      event_i3live_json_dict: "use 'i3_event_id'",
      event_i3live_json_dict__hash: null,
      event_metadata: null,
      scan_metadata: null,
      progress: null,
      replaced_by_scan_id: null,
    });
  });

  test('names the scan itself as its workflow from admission on', () => {
    expect(presentManifest(scanOf()).ewms_workflow_id).toBe('s1');
  });

  test('last_updated is later than the timestamp, and moves with what users and scanners write, not with the owner', () => {
    const fresh = presentManifest(scanOf());
    expect(fresh.last_updated).toBeGreaterThan(fresh.timestamp);
    const owned = scanOf({state: entry({name: 'RUNNING', attempt: 1, started_at: '2099-01-01T00:00:00Z'})});
    expect(presentManifest(owned).last_updated).toBe(fresh.last_updated);
    const later = fresh.timestamp + 60;
    const written = scanOf({progress: entry({progress: null, event_metadata: null, scan_metadata: null, updated_at: later})});
    expect(presentManifest(written).last_updated).toBe(later);
    expect(presentManifest(scanOf({control: entry({...DEFAULT_CONTROL, updated_at: later})})).last_updated).toBe(later);
  });

  test('a scan put by hand takes its time from its id, if that has one', () => {
    const {created_at: _, ...spec} = aSpec();
    expect(presentManifest({...scanOf(), spec: entry(spec), id: '18bcfe56800x0123456789abcdef0123'}).timestamp).toBe(0x18bcfe56800 / 1000);
    expect(presentManifest({...scanOf(), spec: entry(spec), id: 'mine'}).timestamp).toBe(0);
  });

  test('fields can be picked', () => {
    expect(presentFields(scanOf(), new Set(['priority', 'scan_id', 'nope']))).toEqual({scan_id: 's1', priority: 0});
  });

  test('children without a spec are no scan', () => {
    expect(isScan({id: 's1', control: entry(DEFAULT_CONTROL)})).toBe(false);
    expect(isScan(undefined)).toBe(false);
  });
});

describe('the scanner’s command line', () => {
  test('is SkyDriver’s', () => {
    const request = aSpec({
      nsides: [
        ['64', 12],
        ['8', 0],
      ],
      reco_algo: 'millipede',
    }).request;
    expect(scannerCommandLine(request)).toBe(
      'python -m skymap_scanner.server --reco-algo millipede --cache-dir /common-space --client-startup-json /common-space/startup.json ' +
        '--nsides 64:12 8:0 --real-event --predictive-scanning-threshold 1.0',
    );
    expect(scannerCommandLine(aSpec({real_or_simulated_event: 'sim', predictive_scanning_threshold: 0.5}).request)).toMatch(
      /--simulated-event --predictive-scanning-threshold 0\.5$/,
    );
  });

  test('hides the values of secret options and nothing else', () => {
    expect(hideSecrets('run --auth-token abc def --name x --password=p -o my-auth-algo')).toBe(
      'run --auth-token *** *** --name x --password=*** -o my-auth-algo',
    );
    expect(scannerCommandLine(aSpec({reco_algo: 'my-auth-algo'}).request)).toContain('--reco-algo my-auth-algo --cache-dir');
  });
});

describe('the workforce', () => {
  const workers = (count: number, more: Partial<Job>): Job => aJob({type: 'workers', count, ...more});

  test('is empty before the scan has jobs', () => {
    const {admission: _, ...waiting} = scanOf();
    expect(presentWorkforce(waiting)).toEqual({workflow_id: 'not-yet-requested', statuses: {}, n_running: 0, top_errors: {}});
  });

  test('counts the processes of running workers jobs, and never the server', () => {
    const exit = {code: 1, ended_at: '2026-01-01T00:00:00Z'};
    const jobs = JobTable.of([
      ['server', entry(aJob({tries: [aTry({handle: 'h'})]}))],
      ['workers-1', entry(workers(3, {tries: [aTry({handle: 'h'})]}))],
      ['workers-2', entry(workers(2, {tries: [aTry({handle: 'h'})]}))],
      ['workers-3', entry(workers(4, {tries: [aTry()]}))],
      ['workers-4', entry(workers(5, {state: 'FAIL', failures: 2, tries: [aTry({exit})]}))],
    ]);
    expect(presentWorkforce(scanOf({jobs}))).toEqual({
      workflow_id: 's1',
      statuses: {RUNNING: {Tasking: 5}, IDLE: {null: 4}, COMPLETED: {FatalError: 5}},
      n_running: 5,
      top_errors: {'exit code 1': 2},
    });
  });
});
