import {must} from '../../src/lib/assert.ts';
import {parseKey} from '../../src/schema/keys.ts';
import {mayBecome} from '../../src/schema/state.ts';
import type {ScanState, ScanStateName, Writer} from '../../src/schema/state.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';

/** One change of a key, as etcd told it. `value` is absent for a deletion. */
export interface Recorded {
  readonly revision: number;
  readonly key: string;
  readonly createRevision: number;
  readonly value?: string;
}

/** A raw watch over everything, on a connection of its own, outside all faults: what really happened. */
export class Referee {
  readonly events: Recorded[] = [];
  readonly #members: EtcdMembers;
  #end: (() => void) | undefined;
  #failure: unknown;

  constructor(endpoint: string) {
    this.#members = new EtcdMembers({endpoints: [endpoint]});
  }

  async start(): Promise<void> {
    const stream = await must(this.#members.members[0], 'one member').watch();
    const created = Promise.withResolvers<void>();
    stream.on('error', (err: unknown) => {
      this.#failure ??= this.#end === undefined ? undefined : err;
      created.reject(err);
    });
    stream.on('data', (message) => {
      if (message.created) created.resolve();
      if (message.canceled) this.#failure = new Error('the referee’s watch was cancelled');
      for (const {kind, kv} of message.events) {
        const base = {revision: kv.modRevision, key: kv.key, createRevision: kv.createRevision};
        this.events.push(kind === 'delete' ? base : {...base, value: kv.value.toString()});
      }
    });
    stream.write({create: {key: Buffer.from('/'), rangeEnd: Buffer.from('0'), startRevision: 1}});
    this.#end = () => stream.end();
    await created.promise;
  }

  stop(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.();
    this.#members.close();
    if (this.#failure !== undefined) throw new Error('the referee’s watch failed', {cause: this.#failure});
  }
}

export interface Verdict {
  readonly writes: number;
  readonly takeovers: number;
  readonly violations: readonly string[];
}

/**
 * Replays what the referee saw, and judges: every write of a scan's owner was made by who owned the scan at that revision; states only went where they
 * may; granted slots never exceeded the capacity.
 */
export function judge(events: readonly Recorded[], capacity: number): Verdict {
  const violations: string[] = [];
  const owners = new Map<string, {readonly createRevision: number; readonly replica: string}>();
  const states = new Map<string, ScanStateName>();
  const slots = new Map<string, number>();
  const led = new Map<string, Set<number>>();
  let writes = 0;
  for (let i = 0; i < events.length;) {
    const {revision} = must(events[i], 'an event');
    const batch: Recorded[] = [];
    while (events[i]?.revision === revision) batch.push(must(events[i++], 'an event'));
    // The owner that counts is the one before this transaction, or the one that it creates.
    for (const {key, value, createRevision} of batch) {
      const ref = parseKey(key);
      if (ref?.kind !== 'owner' || value === undefined) continue;
      owners.set(ref.id, {createRevision, replica: (JSON.parse(value) as {replica: string}).replica});
      led.set(ref.id, (led.get(ref.id) ?? new Set()).add(createRevision));
    }
    for (const {key, value} of batch) {
      const ref = parseKey(key);
      if (value === undefined || (ref?.kind !== 'state' && ref?.kind !== 'job')) continue;
      writes++;
      const owner = owners.get(ref.id);
      const {by} = JSON.parse(value) as {by?: Writer};
      const isOwner =
        owner !== undefined &&
        by?.replica === owner.replica &&
        (by.fence === undefined ? owner.createRevision === revision : by.fence === owner.createRevision);
      if (!isOwner) violations.push(`revision ${revision}: ${key} was written by ${JSON.stringify(by)} while the owner was ${JSON.stringify(owner)}`);
      if (ref.kind !== 'state') continue;
      const {name} = JSON.parse(value) as ScanState;
      const before = states.get(ref.id) ?? 'PENDING';
      if (!mayBecome(before, name)) violations.push(`revision ${revision}: ${key} went from ${before} to ${name}`);
      states.set(ref.id, name);
    }
    for (const {key, value} of batch) {
      const ref = parseKey(key);
      if (ref?.kind === 'owner' && value === undefined) owners.delete(ref.id);
      if (ref?.kind !== 'admission') continue;
      if (value === undefined) slots.delete(ref.id);
      else
        slots.set(
          ref.id,
          Object.values((JSON.parse(value) as {slots: Record<string, number>}).slots).reduce((sum, count) => sum + count, 0),
        );
    }
    const used = [...slots.values()].reduce((sum, count) => sum + count, 0);
    if (used > capacity) violations.push(`revision ${revision}: ${used} slots were granted of ${capacity}`);
  }
  return {writes, takeovers: [...led.values()].reduce((sum, revisions) => sum + revisions.size - 1, 0), violations};
}
