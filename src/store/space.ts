import {assert} from '../lib/assert.ts';
import type {Clock} from '../lib/clock.ts';
import {systemClock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {Room} from './blob-store.ts';
import {isCompacted, readError} from './etcd-errors.ts';
import {within} from './etcd-member.ts';
import type {EtcdMember} from './etcd-member.ts';
import type {EtcdMembers} from './etcd-members.ts';
import type {Revision} from './store.ts';

export interface SpaceOptions {
  /** `false` where others share the etcd and its history is theirs too: then nothing is compacted and nobody waits. */
  readonly isEnabled: boolean;
  /** The store's global prefix. */
  readonly prefix?: string;
  /** etcd's `--quota-backend-bytes`; etcd does not tell. Its own default is 2 GiB. */
  readonly quotaBytes?: number;
  /** How long a blob write waits for room before it is refused. */
  readonly waitMs?: number;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Sizes in bytes, of the member that has the largest. */
export interface SpaceStatus {
  /** The database file, free pages included: what etcd holds against its quota. Never shrinks but by {@link Space.defragment}. */
  readonly dbSize: number;
  readonly dbSizeInUse: number;
  readonly quotaBytes: number;
  readonly revision: Revision;
  /** Writes are refused until the alarm is disarmed. */
  readonly hasNoSpaceAlarm: boolean;
}

interface Sample {
  /** Monotonic. */
  readonly atMs: number;
  readonly revision: Revision;
}

interface Pressure {
  /** Parts of the quota. */
  readonly above: number;
  readonly garbage: number;
  readonly keepMs: number;
}

const DEFAULT_QUOTA_BYTES = 2 * 1024 * 1024 * 1024;
const STATUS_TIMEOUT_MS = 2000;
const COMPACT_TIMEOUT_MS = 30_000;
const DEFRAGMENT_TIMEOUT_MS = 120_000;
/** A look after this part of the quota has been written by this process. */
const LOOK_EVERY = 1 / 32;
/** A look after this long, when blobs are written: other processes write too. */
const LOOK_EVERY_MS = 5000;
/** Blobs are written only while less than this part is in use. The rest is for other writes, and for pages that are free but lie badly. */
const BLOB_SHARE = 0.6;
/** When the file itself has come this near to the quota, blobs wait for more free pages than that, so that new ones find a place in it. */
const FILE_SHARE = 0.7;
const CROWDED_BLOB_SHARE = 0.4;
/**
 * How much of the past is kept. A row applies above its part of the quota in use, if at least `garbage` (part of the quota) has been added since the
 * last compaction: where what lives needs that much, compacting ever more often would free nothing and only disturb watchers that lag.
 */
const PRESSURE: readonly Pressure[] = [
  {above: 0.45, garbage: 1 / 32, keepMs: 0},
  {above: 0.35, garbage: 1 / 16, keepMs: 5000},
  {above: 0.25, garbage: 1 / 8, keepMs: 60_000},
];
/** When somebody waits for room. */
const URGENT: Pressure = {above: 0, garbage: 1 / 64, keepMs: 0};
/** etcd writes its file every 100 ms, and that takes a while: the sizes it tells are that old. */
const SIZE_LAG_MS = 300;
const MAX_SAMPLES = 1024;
const SAMPLE_EVERY_MS = 1000;
const PAUSE_MS = 50;

/**
 * Keeps the database below its quota: etcd holds every value ever written until someone compacts, and at the quota it refuses all writes.
 *
 * It counts what this process writes; every 1/32 of the quota it looks at the database's sizes and compacts when a quarter of the quota is in use:
 * first what is older than a minute, then 5 s, then everything but the present. Watchers and snapshots that are further behind have to begin anew.
 * It begins that early because etcd holds the file's size against the quota, and the file never shrinks. Any number of processes may do so side by
 * side: each looks at what all have written, and compacting twice is harmless.
 *
 * Blob writes wait ({@link reserve}) while more than 60 % are in use, and are refused if that does not change, so that what is small still fits.
 */
export class Space implements Room {
  readonly #members: EtcdMembers;
  readonly #isEnabled: boolean;
  readonly #prefix: string;
  readonly #quotaBytes: number;
  readonly #waitMs: number;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #samples: Sample[] = [];
  /** Bytes written since the last look. */
  #written = 0;
  /** What was written lately, and may be missing in the sizes that etcd tells. */
  #recent: {readonly atMs: number; readonly bytes: number}[] = [];
  #dbSize = 0;
  #inUse = 0;
  /** The least that was in use since the last compaction: what more is in use by now may be garbage. */
  #base = Number.POSITIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #compactedTo: Revision = 0;

  constructor(members: EtcdMembers, options: SpaceOptions) {
    this.#members = members;
    this.#isEnabled = options.isEnabled;
    this.#prefix = options.prefix ?? '';
    this.#quotaBytes = options.quotaBytes ?? DEFAULT_QUOTA_BYTES;
    this.#waitMs = options.waitMs ?? 15_000;
    this.#log = options.log;
    this.#clock = options.clock ?? systemClock;
  }

  /** Counts bytes that are written: for the store's `onWrite`. */
  wrote(bytes: number): void {
    if (!this.#isEnabled) return;
    this.#written += bytes;
    this.#count(bytes);
    if (this.#isLookDue()) this.#lookSoon();
  }

  /**
   * Resolves when the database has room for so many bytes of a blob.
   *
   * @throws ControlPlaneError `unavailable`: too full, and compacting does not help.
   */
  async reserve(bytes: number): Promise<void> {
    if (!this.#isEnabled) return;
    const started = this.#clock.monotonicMs();
    for (;;) {
      if (this.#lookedAtMs === Number.NEGATIVE_INFINITY) await this.#look();
      const waitedMs = this.#clock.monotonicMs() - started;
      // A crowded file is a reason to wait, not to refuse: what lives may need that much.
      const isCrowded = this.#dbSize > this.#quotaBytes * FILE_SHARE && waitedMs < this.#waitMs / 2;
      const share = isCrowded ? CROWDED_BLOB_SHARE : BLOB_SHARE;
      if (this.#take(bytes, share)) {
        // There is time: the look goes on while the write is on its way.
        if (this.#isLookDue() || this.#clock.monotonicMs() - this.#lookedAtMs > LOOK_EVERY_MS) this.#lookSoon();
        return;
      }
      await this.#look(true);
      if (this.#take(bytes, share)) return;
      if (waitedMs >= this.#waitMs) {
        throw new ControlPlaneError('unavailable', 'the database is too full for another blob');
      }
      await sleep(PAUSE_MS);
      await this.#touch();
    }
  }

  /** @throws ControlPlaneError `unavailable`: no member answered. */
  async status(): Promise<SpaceStatus> {
    const answers = await Promise.allSettled(this.#members.members.map(async (member) => member.maintenance.status(within(STATUS_TIMEOUT_MS))));
    const statuses = answers.filter((answer) => answer.status === 'fulfilled').map((answer) => answer.value);
    if (statuses.length === 0) {
      const failed = answers.find((answer) => answer.status === 'rejected');
      throw readError(failed?.reason);
    }
    return {
      dbSize: Math.max(...statuses.map((status) => Number(status.dbSize))),
      dbSizeInUse: Math.max(...statuses.map((status) => Number(status.dbSizeInUse))),
      quotaBytes: this.#quotaBytes,
      revision: Math.max(...statuses.map((status) => toRevision(status.header.revision))),
      hasNoSpaceAlarm: statuses.some((status) => status.errors.some((error) => error.includes('NOSPACE'))),
    };
  }

  /**
   * Forgets what was overwritten or deleted longer than `keepMs` ago, as far as this process has seen revisions pass: call it regularly.
   * Returns the revision compacted to, or `undefined` if there was nothing to do (or it is switched off).
   */
  async compact(keepMs: number): Promise<Revision | undefined> {
    if (!this.#isEnabled) return undefined;
    this.#sample((await this.status()).revision);
    const target = this.#revisionAt(keepMs);
    if (target === undefined || target <= this.#compactedTo) return undefined;
    await this.compactTo(target);
    return target;
  }

  /** Compacts, whether switched off or not, and resolves when the space is free. That it has been compacted further already is success. */
  async compactTo(revision: Revision): Promise<void> {
    await this.#onSomeMember(async (member) => {
      try {
        await member.kv.compact({revision, physical: true}, within(COMPACT_TIMEOUT_MS));
      } catch (err) {
        if (!isCompacted(readError(err))) throw err;
      }
    });
    this.#compactedTo = Math.max(this.#compactedTo, revision);
    this.#base = Number.POSITIVE_INFINITY;
    this.#log.info({revision}, 'compacted');
  }

  /** Ends the NOSPACE alarm. It comes back with the next write unless the file is below the quota: compact and defragment first. */
  async disarmNoSpace(): Promise<boolean> {
    return this.#onSomeMember(async (member) => {
      const {alarms} = await member.maintenance.alarm({action: 'Get'}, within(STATUS_TIMEOUT_MS));
      const noSpace = alarms.filter(({alarm}) => String(alarm) === 'Nospace');
      for (const {memberID} of noSpace) {
        await member.maintenance.alarm({action: 'Deactivate', memberID, alarm: 'Nospace'}, within(STATUS_TIMEOUT_MS));
      }
      return noSpace.length > 0;
    });
  }

  /** Gives the file's free pages back, one member after the other. A member answers nothing meanwhile: for emergencies, after {@link compactTo}. */
  async defragment(): Promise<void> {
    for (const member of this.#members.members) {
      await member.maintenance.defragment(within(DEFRAGMENT_TIMEOUT_MS)).catch((err: unknown) => {
        throw readError(err);
      });
      this.#log.info({endpoint: member.endpoint}, 'defragmented');
    }
  }

  #count(bytes: number): void {
    const atMs = this.#clock.monotonicMs();
    const last = this.#recent.at(-1);
    // In steps of 10 ms, so that the list stays short.
    if (last !== undefined && atMs - last.atMs < 10) this.#recent[this.#recent.length - 1] = {atMs: last.atMs, bytes: last.bytes + bytes};
    else this.#recent.push({atMs, bytes});
  }

  /** Whether so many bytes of a blob fit, by what is known; then they are counted: now, and again when they are written, since others write too. */
  #take(bytes: number, share: number): boolean {
    if (this.#room(share) < bytes) return false;
    this.#count(bytes);
    return true;
  }

  /** Bytes that blobs may still take. */
  #room(share: number): number {
    const seenMs = this.#lookedAtMs - SIZE_LAG_MS;
    const unseen = this.#recent.reduce((sum, {atMs, bytes}) => (atMs >= seenMs ? sum + bytes : sum), 0);
    return this.#quotaBytes * share - this.#inUse - unseen;
  }

  #isLookDue(): boolean {
    return this.#written >= this.#quotaBytes * LOOK_EVERY;
  }

  /** A tiny write: etcd counts freed pages as free only with the write after, and there may be none while all wait for room. */
  async #touch(): Promise<void> {
    const request = {key: Buffer.from(`${this.#prefix}~space`), value: Buffer.from(String(this.#compactedTo))};
    await this.#members.preferred.kv.put(request, within(STATUS_TIMEOUT_MS)).catch(() => {});
  }

  /** A look that nobody waits for. */
  #lookSoon(): void {
    if (this.#looking === undefined) this.#look().catch(() => {});
  }

  /** One look at a time. Never rejects for a database that does not answer: then the last look stands. */
  #look(isUrgent = false): Promise<void> {
    this.#looking ??= this.#lookNow(isUrgent)
      .catch((err: unknown) => this.#log.warn({err}, 'cannot look at the size of the database'))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #lookNow(isUrgent: boolean): Promise<void> {
    const status = await this.#see();
    const inUse = status.dbSizeInUse / this.#quotaBytes;
    const garbage = (status.dbSizeInUse - this.#base) / this.#quotaBytes;
    const pressure = isUrgent ? [URGENT] : PRESSURE;
    const keepMs = pressure.find((row) => inUse > row.above && garbage >= row.garbage)?.keepMs;
    if (keepMs === undefined) return;
    const target = keepMs === 0 ? status.revision : this.#revisionAt(keepMs);
    if (target === undefined || target <= this.#compactedTo) return;
    await this.compactTo(target);
    await this.#see();
  }

  async #see(): Promise<SpaceStatus> {
    const atMs = this.#clock.monotonicMs();
    const status = await this.status();
    this.#lookedAtMs = atMs;
    this.#written = 0;
    this.#recent = this.#recent.filter((part) => part.atMs >= atMs - SIZE_LAG_MS);
    this.#dbSize = status.dbSize;
    this.#inUse = status.dbSizeInUse;
    this.#base = Math.min(this.#base, status.dbSizeInUse);
    this.#sample(status.revision);
    return status;
  }

  #sample(revision: Revision): void {
    const atMs = this.#clock.monotonicMs();
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < SAMPLE_EVERY_MS) return;
    this.#samples.push({atMs, revision});
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** The newest revision known to be at least so old. */
  #revisionAt(ageMs: number): Revision | undefined {
    const latest = this.#clock.monotonicMs() - ageMs;
    return this.#samples.findLast((sample) => sample.atMs <= latest)?.revision;
  }

  async #onSomeMember<T>(step: (member: EtcdMember) => Promise<T>): Promise<T> {
    let failure: ControlPlaneError | undefined;
    for (const member of this.#members.order()) {
      try {
        return await step(member);
      } catch (err) {
        const error = readError(err);
        if (error.code !== 'unavailable') throw error;
        failure ??= error;
      }
    }
    throw failure ?? new ControlPlaneError('unavailable', 'the database cannot be reached');
  }
}

/** etcd's int64, in decimal, as a number that is exact. */
function toRevision(text: string): Revision {
  const revision = Number(text);
  assert(Number.isSafeInteger(revision), `revision ${text} is a safe integer`);
  return revision;
}
