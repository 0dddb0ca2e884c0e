import type {Clock} from '../lib/clock.ts';
import {ChainRun} from '../model/chain-run.ts';
import {JobTable} from '../model/job-table.ts';
import {attemptOf, isChained} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {Job} from '../schema/job.ts';
import type {Revision} from '../store/store.ts';
import type {ChainSource} from './chain-source.ts';

interface Followed {
  readonly run: ChainRun;
  readonly chainRevision: Revision;
  readonly attempt: number;
  /** The records up to which it follows. */
  jobs: JobTable;
}

/** The chains of the requests that we lead, each as far as it has come: read once, then followed at the cost of what changes. */
export class ChainFollower {
  readonly #followed = new Map<string, Followed>();
  readonly #chains: ChainSource;
  readonly #clock: Clock;

  constructor(chains: ChainSource, clock: Clock) {
    this.#chains = chains;
    this.#clock = clock;
  }

  /**
   * The run of a request's chain with all that `record` holds. The caller may let it follow what it is about to write, and {@link drop}s it if that was not written.
   *
   * @returns `undefined` for a sky scan, and while there is no chain
   * @throws ControlPlaneError `invalid`: it is no chain that can run. As `ChainSource.read`
   */
  async follow(record: ScanRecord): Promise<ChainRun | undefined> {
    const {chain, id} = record;
    if (!isChained(record) || chain === undefined) return undefined;
    const attempt = attemptOf(record);
    const jobs = record.jobs ?? JobTable.EMPTY;
    const followed = this.#followed.get(id);
    if (followed !== undefined && followed.chainRevision === chain.modRevision && followed.attempt === attempt) {
      for (const [name, entry] of jobs.changesSince(followed.jobs)) followed.run.update(name, entry?.value);
      followed.jobs = jobs;
      return followed.run;
    }
    const whole = await this.#chains.read(id, chain.value);
    const records = [...jobs].map(([name, {value}]): [string, Job] => [name, value]);
    const run = new ChainRun(whole, attempt, this.#clock.now(), records);
    this.#followed.set(id, {run, chainRevision: chain.modRevision, attempt, jobs});
    return run;
  }

  /** The next look begins anew. */
  drop(id: string): void {
    this.#followed.delete(id);
  }
}
