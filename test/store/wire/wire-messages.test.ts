import {cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {loadSync} from '@grpc/proto-loader';
import {describe, expect, test} from 'vitest';
import type {KeyValue} from '../../../src/store/store.ts';
import {decodeRange, decodeTxn, encodeRange, encodeTxn} from '../../../src/store/wire/kv-messages.ts';
import type {CompareRequest, RangeRequest, TxnRequest} from '../../../src/store/wire/kv-messages.ts';
import {decodeWatch, encodeWatch} from '../../../src/store/wire/watch-messages.ts';
import type {WatchRequest, WatchResponse} from '../../../src/store/wire/watch-messages.ts';
import {seededRandom} from '../../support/seeded-random.ts';

// Ours against protobufjs, on etcd's own definition of the messages.

interface Method {
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (message: object) => Buffer;
}

const PROTO = join(dirname(createRequire(import.meta.url).resolve('etcd3/package.json')), 'proto');

function load(folder: string): {range: Method; txn: Method; watch: Method} {
  // As etcd3 does, but without defaults: what is absent stays absent.
  const definitions = loadSync(join(folder, 'rpc.proto'), {keepCase: true, longs: String, enums: String, oneofs: false});
  const methods = definitions as unknown as Record<string, Record<string, Method>>;
  return {
    range: methods['etcdserverpb.KV']!['Range']!,
    txn: methods['etcdserverpb.KV']!['Txn']!,
    watch: methods['etcdserverpb.Watch']!['Watch']!,
  };
}

const ETCD = load(PROTO);

/** An etcd that says more than ours, in every message and in every way that a field can be written. */
const NEWER = (() => {
  const folder = mkdtempSync(join(tmpdir(), 'newer-etcd-'));
  try {
    cpSync(PROTO, folder, {recursive: true});
    for (const name of ['rpc.proto', 'kv.proto']) {
      const more = 'int64 more_int = 12; fixed64 more_fixed64 = 90; fixed32 more_fixed32 = 91; bytes more_bytes = 92; int64 more_last = 70000;';
      const text = readFileSync(join(folder, name), 'utf8');
      writeFileSync(join(folder, name), text.replaceAll(/^message (\w*Response|ResponseHeader|ResponseOp|KeyValue|Event) \{/gm, `$& ${more}`));
    }
    return load(folder);
  } finally {
    rmSync(folder, {recursive: true});
  }
})();
const MORE = {more_int: '-9223372036854775808', more_fixed64: '5', more_fixed32: 7, more_bytes: Buffer.alloc(300, 0xff), more_last: '1'};

const ROUNDS = 300;
const SAFE = [0, 1, 127, 128, 16_383, 16_384, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 35, Number.MAX_SAFE_INTEGER];
const INT64 = ['1', '127', '128', '268435456', '72057594037927936', '7587883212297104394', '9223372036854775807', '-1', '-9223372036854775808'];
const SIZES = [0, 1, 40, 127, 128, 700, 16_384];

/** What messages are made of. */
class Dice {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  number(below: number): number {
    return Math.floor(this.#random() * below);
  }

  yes(): boolean {
    return this.#random() < 0.5;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.number(from.length)] as T;
  }

  some<T>(most: number, make: () => T): T[] {
    return Array.from({length: this.number(most + 1)}, make);
  }

  revision(): number {
    return this.yes() ? this.pick(SAFE) : this.number(2 ** this.pick([7, 14, 21, 35, 53]));
  }

  lease(): string {
    return this.yes() ? this.pick(INT64) : String(BigInt.asIntN(64, BigInt(this.number(2 ** 32)) * BigInt(1 + this.number(2 ** 32))));
  }

  key(): string {
    return `/${this.pick(['scan', 'größe', '鍵', '🗝'])}/${'k'.repeat(this.pick([1, 20, 130]))}`;
  }

  bytes(): Buffer {
    return Buffer.alloc(this.pick(SIZES), this.number(256));
  }
}

/** A message without the fields that have their default value. */
function present(message: Record<string, unknown>): Record<string, unknown> {
  const isDefault = (value: unknown): boolean =>
    value === undefined || value === 0 || value === '0' || value === '' || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(message).filter(([, value]) => !isDefault(value)));
}

/** As protobufjs read it, without defaults: the encoding may write them or not. */
function meant(message: unknown): unknown {
  if (Buffer.isBuffer(message)) return message.toString('latin1');
  if (Array.isArray(message)) return message.map(meant);
  if (typeof message !== 'object' || message === null) return message;
  return present(Object.fromEntries(Object.entries(message).map(([name, value]) => [name, meant(value)])));
}

describe('requests are read by protobufjs as they were meant', () => {
  const range = (dice: Dice): RangeRequest => ({
    key: Buffer.from(dice.key()),
    ...(dice.yes() ? {rangeEnd: dice.bytes()} : {}),
    ...(dice.yes() ? {limit: dice.revision()} : {}),
    ...(dice.yes() ? {revision: dice.pick([dice.revision(), -1, Number.MIN_SAFE_INTEGER])} : {}),
    ...(dice.yes() ? {keysOnly: dice.yes()} : {}),
  });
  const rangeMeant = ({key, rangeEnd, limit = 0, revision = 0, keysOnly}: RangeRequest) => ({
    key,
    range_end: rangeEnd,
    limit: String(limit),
    revision: String(revision),
    keys_only: keysOnly,
  });

  test('Range', () => {
    const dice = new Dice(1);
    for (let i = 0; i < ROUNDS; i += 1) {
      const request = range(dice);
      expect(meant(ETCD.range.requestDeserialize(encodeRange(request)))).toEqual(meant(rangeMeant(request)));
    }
  });

  test('Txn, whatever room there was to begin with', () => {
    const dice = new Dice(2);
    const compare = (): CompareRequest => ({
      key: Buffer.from(dice.key()),
      ...(dice.yes() ? {rangeEnd: Buffer.from(dice.key())} : {}),
      target: dice.pick(['create', 'mod']),
      result: dice.pick(['equal', 'greater', 'less']),
      revision: dice.revision(),
    });
    const op = (): TxnRequest['success'][number] => {
      const key = Buffer.from(dice.key());
      if (dice.yes()) return {put: {key, value: dice.bytes(), ...(dice.yes() ? {lease: dice.lease()} : {})}};
      return {delete: {key, ...(dice.yes() ? {rangeEnd: Buffer.from(dice.key())} : {})}};
    };
    const title = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
    for (let i = 0; i < ROUNDS; i += 1) {
      const request = {compare: dice.some(5, compare), success: dice.some(20, op), failure: dice.some(5, () => range(dice))};
      const expected = {
        compare: request.compare.map((one) => ({
          key: one.key,
          range_end: one.rangeEnd,
          // The first of an enum is its default.
          target: title(one.target),
          result: one.result === 'equal' ? undefined : title(one.result),
          // One of a union: there also when it is 0.
          ...(one.target === 'create' ? {create_revision: `${one.revision}!`} : {mod_revision: `${one.revision}!`}),
        })),
        success: request.success.map((one) =>
          'put' in one ? {request_put: {...one.put}} : {request_delete_range: {key: one.delete.key, range_end: one.delete.rangeEnd}},
        ),
        failure: request.failure.map((one) => ({request_range: rangeMeant(one)})),
      };
      const bytes = encodeTxn(request, dice.pick([1, 300, 100_000]));
      const read = ETCD.txn.requestDeserialize(bytes) as {compare?: Record<string, unknown>[]};
      for (const one of read.compare ?? []) {
        if (one['result'] === 'Equal') delete one['result'];
        for (const name of ['create_revision', 'mod_revision']) if (name in one) one[name] = `${String(one[name])}!`;
      }
      expect(meant(read)).toEqual(meant(expected));
    }
  });

  test('Watch', () => {
    const dice = new Dice(3);
    for (let i = 0; i < ROUNDS; i += 1) {
      const [key, rangeEnd] = [Buffer.from(dice.key()), Buffer.from(dice.key())];
      const [startRevision, progressNotify, fragment] = [dice.revision(), dice.yes(), dice.yes()];
      const request: WatchRequest = {create: {key, rangeEnd, startRevision, progressNotify, fragment}};
      expect(meant(ETCD.watch.requestDeserialize(encodeWatch(request)))).toEqual(
        meant({create_request: {key, range_end: rangeEnd, start_revision: String(startRevision), progress_notify: progressNotify, fragment}}),
      );
    }
    expect(ETCD.watch.requestDeserialize(encodeWatch({progress: true}))).toEqual({progress_request: {}});
  });

  test('a number that is not exact is refused', () => {
    for (const revision of [2 ** 53, 1.5, Number.NaN]) expect(() => encodeRange({key: Buffer.from('/a'), revision})).toThrow('safe integer');
  });
});

describe.each([
  ['protobufjs', ETCD, {}],
  ['an etcd that knows more fields', NEWER, MORE],
])('answers written by %s are read', (_, etcd, more) => {
  const header = (revision: number) => ({cluster_id: '18446744073709551615', member_id: '1', revision, raft_term: '3', ...more});
  /** A key as we want it, and as etcd writes it. */
  const keyValue = (dice: Dice): {ours: KeyValue; theirs: object} => {
    const ours = {
      key: dice.key(),
      value: dice.bytes(),
      createRevision: dice.revision(),
      modRevision: dice.revision(),
      lease: dice.yes() ? dice.lease() : '0',
    };
    const {key, value, createRevision, modRevision, lease} = ours;
    const all = {key: Buffer.from(key), value, create_revision: createRevision, mod_revision: modRevision, lease, version: dice.lease(), ...more};
    // Etcd leaves out what has its default value.
    return {ours, theirs: dice.yes() ? all : present({...all, value: value.length === 0 ? undefined : value})};
  };

  test('Range', () => {
    const dice = new Dice(4);
    for (let i = 0; i < ROUNDS; i += 1) {
      const kvs = dice.some(10, () => keyValue(dice));
      const [revision, isMore, count] = [dice.revision(), dice.yes(), dice.revision()];
      const bytes = etcd.range.responseSerialize({
        header: header(revision),
        kvs: kvs.map(({theirs}) => theirs),
        more: isMore,
        count,
        ...more,
      });
      expect(decodeRange(bytes)).toEqual({revision, entries: kvs.map(({ours}) => ours), more: isMore, count});
    }
  });

  test('Txn', () => {
    const dice = new Dice(5);
    for (let i = 0; i < ROUNDS; i += 1) {
      const revision = dice.revision();
      const empty = (): object => dice.pick([{response_put: {header: header(revision)}}, {response_delete_range: {header: {}, deleted: 3}}]);
      const success = {header: header(revision), succeeded: true, responses: dice.some(120, () => ({...empty(), ...more})), ...more};
      expect(decodeTxn(etcd.txn.responseSerialize(success))).toEqual({revision, succeeded: true, found: []});
      const found = dice.some(10, () => dice.some(2, () => keyValue(dice)));
      const responses = found.map((kvs) => ({
        response_range: {header: {revision: 3}, kvs: kvs.map(({theirs}) => theirs), count: kvs.length, ...more},
        ...more,
      }));
      const failure = {header: header(revision), responses, ...more};
      expect(decodeTxn(etcd.txn.responseSerialize(failure))).toEqual({
        revision,
        succeeded: false,
        found: found.map((kvs) => kvs.map(({ours}) => ours)),
      });
    }
  });

  test('Watch', () => {
    const dice = new Dice(6);
    for (let i = 0; i < ROUNDS; i += 1) {
      const events = dice.some(64, () => ({...keyValue(dice), kind: dice.pick(['put', 'delete'] as const)}));
      const expected: WatchResponse = {
        revision: dice.revision(),
        created: dice.yes(),
        canceled: dice.yes(),
        compactRevision: dice.revision(),
        cancelReason: dice.pick(['', 'etcdserver: größer', 'x'.repeat(200)]),
        fragment: dice.yes(),
        events: events.map(({kind, ours}) => ({kind, kv: ours})),
      };
      const bytes = etcd.watch.responseSerialize({
        header: header(expected.revision),
        // -1, where a watch is refused.
        watch_id: dice.pick(['-1', '0', '5']),
        created: expected.created,
        canceled: expected.canceled,
        compact_revision: expected.compactRevision,
        cancel_reason: expected.cancelReason,
        fragment: expected.fragment,
        events: events.map(({kind, theirs}) => ({
          ...(kind === 'delete' ? {type: 'Delete'} : {}),
          kv: theirs,
          ...(dice.yes() ? {prev_kv: keyValue(dice).theirs} : {}),
          ...more,
        })),
        ...more,
      });
      expect(decodeWatch(bytes)).toEqual(expected);
    }
  });
});

describe('int64', () => {
  const answer = (revision: string): Buffer => ETCD.range.responseSerialize({header: {revision}});

  test('revisions are exact up to the last safe integer, below zero too; others are refused', () => {
    for (const revision of [...SAFE, -1, -127, -128, -(2 ** 28), -(2 ** 28) - 1, -(2 ** 40) + 1, Number.MIN_SAFE_INTEGER]) {
      expect(decodeRange(answer(String(revision))).revision).toBe(revision);
    }
    for (const revision of ['9007199254740992', '-9007199254740992', '9007199254740993', '9223372036854775807', '-9223372036854775808']) {
      expect(() => decodeRange(answer(revision))).toThrow('safe integer');
    }
  });

  test('leases are exact, and not taken for one another', () => {
    // All meet in the place where the last one is remembered.
    const leases = [...INT64, ...Array.from({length: 40}, (_, i) => String(2n ** 62n + 2n ** BigInt(i + 4)))];
    for (const lease of [...leases, ...leases.toReversed(), ...leases.flatMap((one) => [one, one])]) {
      expect(decodeRange(ETCD.range.responseSerialize({header: {}, kvs: [{lease}]})).entries[0]?.lease).toBe(lease);
    }
  });
});

describe('what is no message is refused', () => {
  test('wherever it is cut off', () => {
    const kv = {key: Buffer.from('/scan/1'), value: Buffer.alloc(200), create_revision: 300, mod_revision: 2 ** 40, lease: INT64[5]};
    const bytes = ETCD.watch.responseSerialize({events: [{type: 'Delete', kv}]});
    expect(decodeWatch(bytes).events).toHaveLength(1);
    for (let length = 1; length < bytes.length; length += 1) {
      expect(() => decodeWatch(bytes.subarray(0, length))).toThrow(/cut off|beyond the end/);
    }
  });

  test('a field that reaches beyond its message, a varint without end, a kind that does not exist, an answer without a header', () => {
    expect(() => decodeRange(Buffer.from([0x0a, 0x02, 0x18, 0x80, 0x01, 0x18, 0x01]))).toThrow('beyond the end');
    expect(() => decodeRange(Buffer.alloc(20, 0xff))).toThrow('too long');
    expect(() => decodeRange(Buffer.from([0x0f]))).toThrow('unknown kind');
    expect(() => decodeRange(Buffer.alloc(0))).toThrow('header');
    expect(() => decodeTxn(Buffer.from([0x10, 0x01]))).toThrow('header');
  });
});
