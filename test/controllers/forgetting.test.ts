import {expect, onTestFinished, test} from 'vitest';
import {runForgettingDeleted} from '../../src/controllers/forgetting.ts';
import type {Engine} from '../../src/engines/engine.ts';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {JobTable} from '../../src/model/job-table.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Cache} from '../../src/store/cache.ts';
import {aJob, aTry, entry} from '../support/builders.ts';
import {eventually} from '../support/eventually.ts';

/** A scan that ended, with a try in each of these places. */
function endedScan(id: string, isDeleted: boolean, places: readonly string[]): ScanRecord {
  const jobs = places.map((place) => [place, entry(aJob({tries: [aTry({place})]}))] as const);
  return {
    ...{id, jobs: JobTable.of(jobs.map(([name, job]): [string, typeof job] => [name, job]))},
    ...{state: entry({name: 'STOPPED', attempt: 1}), control: entry({...DEFAULT_CONTROL, is_deleted: isDeleted})},
  };
}

/** An engine that only forgets, when it can. */
function anEngine(place: string, known: readonly string[]): {readonly engine: Engine; readonly forgotten: string[]; isAway: boolean} {
  const forgotten: string[] = [];
  const it = {forgotten, isAway: false, engine: undefined as unknown as Engine};
  const answer = <T>(value: T): Promise<T> => (it.isAway ? Promise.reject(new ControlPlaneError('unavailable', 'away')) : Promise.resolve(value));
  const forget = async (id: string): Promise<void> => void forgotten.push(await answer(id));
  it.engine = {name: 'fake', place, known: () => answer(known), forget} as unknown as Engine;
  return it;
}

test('what engines keep of deleted scans goes: what was left before, what is deleted after its end; an engine that is away is asked again and holds up no other', async () => {
  const scans = new Map([
    ['left', endedScan('left', true, ['near', 'far'])],
    ['kept', endedScan('kept', false, ['near'])],
  ]);
  let changed: Parameters<Cache['onChange']>[0] = () => {};
  const cache = {scans, onChange: (listener: typeof changed) => (changed = listener)} as unknown as Cache;
  const [near, far] = [anEngine('near', ['left', 'kept', 'unknown']), anEngine('far', ['left'])];
  far.isAway = true;
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const engines = new Map([near, far].map(({engine}) => [engine.place, engine]));
  void runForgettingDeleted({cache, engines, log: silentLog}, stop.signal, 10);
  await eventually(() => expect(near.forgotten).toEqual(['left']));
  scans.set('kept', endedScan('kept', true, ['near']));
  changed([{kind: 'key', key: '/scan/kept/control', ref: {kind: 'control', id: 'kept'}, revision: 1}]);
  await eventually(() => expect(near.forgotten).toEqual(['left', 'kept']));
  expect(far.forgotten).toEqual([]);
  far.isAway = false;
  await eventually(() => expect(far.forgotten).toEqual(['left']));
});
