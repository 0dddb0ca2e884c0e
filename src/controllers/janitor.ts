import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {needsOwner} from '../model/scan-plan.ts';
import {isTerminal} from '../schema/state.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import * as keys from '../schema/keys.ts';
import {isStoredChain} from '../schema/chain.ts';
import type {BlobKind, KeyRef} from '../schema/keys.ts';
import type {Blobs} from '../store/blobs.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import type {Compare, Op, RangeResult, Store} from '../store/store.ts';
import type {LoneController} from './controller.ts';

export interface JanitorDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  /** How long something must have looked forgotten before it is removed: longer than any creation takes. */
  readonly graceMs: number;
  /** Compacts old revisions and looks at the database's size; does nothing where that is switched off. */
  compact(): Promise<void>;
}

/** Keys read per page when what is not watched is looked through. */
const PAGE = 2000;

/**
 * Removes what nobody else will: owner keys without a lease, children of scans that do not exist, backlog entries and admissions without use, blobs
 * and log entries that nothing refers to; and has old revisions compacted.
 *
 * Whatever is to go must have looked so for a grace time, and goes in a transaction that compares that it still does.
 */
export class Janitor implements LoneController {
  readonly name = 'janitor';
  readonly inputs: readonly KeyRef['kind'][] = ['scan', 'owner', 'pb-owner', 'deploy', 'deploy-owner', 'backlog', 'event', 'result', 'chain'];
  readonly outputs = ['nothing of its own: it only removes'];
  readonly #deps: JanitorDeps;
  /** Since when (monotonic) something has looked forgotten. */
  readonly #since = new Map<string, number>();

  constructor(deps: JanitorDeps) {
    this.#deps = deps;
  }

  async run(writer: FencedWriter, signal: AbortSignal): Promise<void> {
    this.#since.clear();
    while (!signal.aborted) {
      const seen = new Set<string>();
      await this.#step('owners', () => this.#ownersWithoutLease(writer));
      await this.#step('orphans', () => this.#orphans(writer, seen));
      await this.#step('blobs', () => this.#unreferenced(writer, seen, signal));
      await this.#step('compaction', () => this.#deps.compact());
      for (const name of this.#since.keys()) if (!seen.has(name)) this.#since.delete(name);
      await sleep(this.#deps.intervalMs, signal);
    }
  }

  /** One part of a round; its failure leaves the others alone, and the next round tries again. */
  async #step(part: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (err) {
      if (hasCode(err, 'not_owner')) return;
      this.#deps.log.error({err, part}, 'janitor step failed');
    }
  }

  /** Whether `name` has looked forgotten for the grace time. */
  #isRipe(name: string, seen: Set<string>): boolean {
    seen.add(name);
    const now = this.#deps.clock.monotonicMs();
    const since = this.#since.get(name);
    if (since === undefined) this.#since.set(name, now);
    return since !== undefined && now - since >= this.#deps.graceMs;
  }

  /** Such a key would never expire, so nobody could ever lead again. Written by hand, or by an etcd restored from a backup. */
  async #ownersWithoutLease(writer: FencedWriter): Promise<void> {
    const {cache, log} = this.#deps;
    const stray: {key: string; modRevision: number}[] = [];
    const look = (record: Pick<ScanRecord, 'id' | 'owner' | 'bad'>, keyOf: (id: string) => string): void => {
      const entry = record.owner ?? record.bad?.get('owner');
      if (entry !== undefined && entry.lease === '0') stray.push({key: keyOf(record.id), modRevision: entry.modRevision});
    };
    for (const record of cache.scans.values()) look(record, keys.ownerKey);
    for (const record of cache.pbs) look(record, keys.pbOwnerKey);
    for (const record of cache.deployments) look(record, keys.deployOwnerKey);
    for (const {key, modRevision} of stray) {
      if (await this.#remove(writer, [{key, modRevision}], [{delete: key}])) log.warn({key}, 'removed an owner key without a lease');
    }
  }

  async #orphans(writer: FencedWriter, seen: Set<string>): Promise<void> {
    const {cache, blobs, log} = this.#deps;
    const gone: ScanRecord[] = [];
    const spent: ScanRecord[] = [];
    for (const record of cache.scans.values()) {
      // One that needs an owner still has jobs to be ended, which are known by these keys alone.
      if (record.spec === undefined && record.bad?.has('spec') !== true && record.owner === undefined && !needsOwner(record)) gone.push(record);
      else if (record.state !== undefined && isTerminal(record.state.value.name) && record.admission !== undefined && record.owner === undefined)
        spent.push(record);
    }
    for (const record of gone) {
      const {id} = record;
      if (!this.#isRipe(`scan ${id}`, seen)) continue;
      const ops: Op[] = [
        {deletePrefix: keys.scanChildren(id)},
        {deletePrefix: `~log/${id}/`},
        ...blobs.deleteOps('result', id),
        ...blobs.deleteOps('chain', id),
      ];
      if (record.backlog !== undefined) ops.push({delete: keys.backlogKey(record.backlog.order, id)});
      for (const [part, {key}] of record.bad ?? []) if (part.startsWith('backlog/')) ops.push({delete: key});
      const compares: Compare[] = [
        {key: keys.scanKey(id), modRevision: 0},
        {key: keys.ownerKey(id), modRevision: 0},
      ];
      if (await this.#remove(writer, compares, ops)) log.warn({scanId: id}, 'removed what was left of a scan that does not exist');
    }
    for (const record of spent) {
      const key = keys.admissionKey(record.id);
      if (!this.#isRipe(`admission ${record.id}`, seen) || record.admission === undefined) continue;
      const compares: Compare[] = [
        {key, modRevision: record.admission.modRevision},
        {key: keys.stateKey(record.id), modRevision: record.state?.modRevision ?? 0},
      ];
      if (await this.#remove(writer, compares, [{delete: key}])) log.warn({scanId: record.id}, 'removed the admission of a scan that has ended');
    }
  }

  /** Looks through what is not watched: keys only, in pages. */
  async #unreferenced(writer: FencedWriter, seen: Set<string>, signal: AbortSignal): Promise<void> {
    const {log} = this.#deps;
    let last = '';
    for await (const key of this.#keysOf('~blob/', signal)) {
      const [, kind, referrer, digest] = key.split('/');
      if (kind === undefined || referrer === undefined || digest === undefined) continue;
      const group = `~blob/${kind}/${referrer}/${digest}/`;
      if (group === last) continue;
      last = group;
      const header = this.#headerOf(kind as BlobKind, referrer);
      if (header === undefined || header.digest === digest) continue;
      if (!this.#isRipe(group, seen)) continue;
      const compares: Compare[] = [{key: header.key, modRevision: header.modRevision}];
      if (await this.#remove(writer, compares, [{deletePrefix: group}])) log.info({blob: group}, 'removed a blob that nothing refers to');
    }
    last = '';
    for await (const key of this.#keysOf('~log/', signal)) {
      const id = key.split('/')[1];
      if (id === undefined || id === last) continue;
      last = id;
      const of = this.#loggedBy(id);
      if (of.exists || !this.#isRipe(`~log/${id}/`, seen)) continue;
      if (await this.#remove(writer, [{key: of.key, modRevision: 0}], [{deletePrefix: `~log/${id}/`}])) {
        log.info({scanId: id}, 'removed the job log of a scan or deployment that does not exist');
      }
    }
  }

  /** Whose log entries are under a name: a scan's, or a deployment's, which jobs know as `deploy.[id]`. */
  #loggedBy(id: string): {readonly key: string; readonly exists: boolean} {
    const {cache} = this.#deps;
    if (!id.startsWith('deploy.')) return {key: keys.scanKey(id), exists: cache.scans.get(id) !== undefined};
    const deployment = id.slice('deploy.'.length);
    return {key: keys.deployKey(deployment), exists: cache.deployments.get(deployment) !== undefined};
  }

  /** The header that may refer to a blob: its key, its revision (0: absent) and the digest it names. `undefined` for kinds not known here. */
  #headerOf(kind: BlobKind, referrer: string): {key: string; modRevision: number; digest: string | undefined} | undefined {
    const {cache} = this.#deps;
    switch (kind) {
      case 'event': {
        const entry = cache.events.get(referrer);
        const bad = cache.bad.get(keys.eventKey(referrer));
        if (bad !== undefined) return undefined;
        return {key: keys.eventKey(referrer), modRevision: entry?.modRevision ?? 0, digest: entry?.value.blob?.digest};
      }
      case 'chain': {
        const record = cache.scans.get(referrer);
        if (record?.bad?.has('chain')) return undefined;
        const chain = record?.chain?.value;
        const digest = chain !== undefined && isStoredChain(chain) ? chain.blob.digest : undefined;
        return {key: keys.chainKey(referrer), modRevision: record?.chain?.modRevision ?? 0, digest};
      }
      case 'result': {
        const record = cache.scans.get(referrer);
        if (record?.bad?.has('result')) return undefined;
        return {key: keys.resultKey(referrer), modRevision: record?.result?.modRevision ?? 0, digest: record?.result?.value.blob.digest};
      }
      default:
        return undefined;
    }
  }

  async *#keysOf(prefix: string, signal: AbortSignal): AsyncIterable<string> {
    let from: Buffer | undefined;
    while (!signal.aborted) {
      const page: RangeResult = await this.#deps.store.range(prefix, {keysOnly: true, limit: PAGE, ...(from === undefined ? {} : {from})});
      for (const {key} of page.entries) yield key;
      if (page.next === undefined) return;
      from = page.next;
    }
  }

  /** `false` when it is not as it looked any more: left alone. */
  async #remove(writer: FencedWriter, compares: readonly Compare[], ops: readonly Op[]): Promise<boolean> {
    try {
      await writer.commit(compares, ops);
      return true;
    } catch (err) {
      if (hasCode(err, 'revision_conflict')) return false;
      throw err;
    }
  }
}
