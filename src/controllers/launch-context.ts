import {must} from '../lib/assert.ts';
import type {ChainRun} from '../model/chain-run.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {LaunchContext} from './launcher.ts';

/** What the launcher has to know besides the job. */
export function launchContext(record: ScanRecord, run: ChainRun | undefined, name: string): LaunchContext {
  const spec = must(record.spec, 'a scan that is launched has a spec').value;
  if (spec.request !== undefined) return {kind: 'skymap', spec, isHosted: record.admission?.value.server_cluster !== undefined};
  const followed = must(run, 'the run of a chain that is launched');
  const planned = must(followed.planned(name), 'a job of the chain');
  return {kind: 'chain', requestType: spec.type, planned, types: followed.chain.types ?? {}, data: followed.dataFor(name)};
}
