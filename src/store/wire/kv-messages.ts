import {must} from '../../lib/assert.ts';
import type {KeyValue, LeaseId, Revision} from '../store.ts';
import {WireReader} from './wire-reader.ts';
import {delimited, varint} from './wire-tag.ts';
import {WireWriter} from './wire-writer.ts';

// etcd's requests to its KV service and its answers, as far as we use them; all else in an answer is passed over.
// Names, where they differ: `rangeEnd` is `range_end`; `revision` of an answer is its header's. See etcd's rpc.proto and kv.proto.

/** Without `rangeEnd`, one key. */
export interface RangeRequest {
  readonly key: Buffer;
  readonly rangeEnd?: Buffer;
  readonly limit?: number;
  readonly revision?: Revision;
  readonly keysOnly?: boolean;
}

/** Keys are etcd's, with whatever prefix they have there. Values are views into the answer. */
export interface RangeResponse {
  readonly revision: Revision;
  readonly entries: readonly KeyValue[];
  readonly more: boolean;
  /** Keys in the range, whatever the limit. */
  readonly count: number;
  /** The bytes of the last key, where its text does not say them: where it is no UTF-8. */
  readonly lastKey?: Buffer;
}

export interface PutRequest {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease?: LeaseId;
}

/** Without `rangeEnd`, one key. */
export interface DeleteRequest {
  readonly key: Buffer;
  readonly rangeEnd?: Buffer;
}

/** Compares a revision of a key, or of all up to `rangeEnd`. */
export interface CompareRequest {
  readonly key: Buffer;
  readonly rangeEnd?: Buffer;
  readonly target: 'create' | 'mod';
  readonly result: 'equal' | 'greater' | 'less';
  readonly revision: Revision;
}

export interface TxnRequest {
  readonly compare: readonly CompareRequest[];
  /** What is done if all compares hold, in order. */
  readonly success: readonly ({readonly put: PutRequest} | {readonly delete: DeleteRequest})[];
  /** What is read if one does not, in order. */
  readonly failure: readonly RangeRequest[];
}

export interface TxnResponse {
  readonly revision: Revision;
  readonly succeeded: boolean;
  /** What was read where it did not succeed, in the order of the request. */
  readonly found: readonly (readonly KeyValue[])[];
}

const RESULT = {equal: 0, greater: 1, less: 2} as const satisfies Record<CompareRequest['result'], number>;
const TARGET = {create: 1, mod: 2} as const satisfies Record<CompareRequest['target'], number>;
/** The revision's field is another for each target. */
const OPERAND = {create: varint(5), mod: varint(6)} as const satisfies Record<CompareRequest['target'], number>;

const NOTHING = Buffer.alloc(0);

/** More than a request of one key takes. */
const SMALL = 256;

export function encodeRange(request: RangeRequest): Buffer {
  const writer = new WireWriter(SMALL);
  writeRange(writer, request);
  return writer.finish();
}

/** `room`: about how many bytes it takes. */
export function encodeTxn(request: TxnRequest, room: number = SMALL): Buffer {
  const writer = new WireWriter(room);
  for (const range of request.failure.toReversed()) {
    const end = writer.written;
    writeRange(writer, range);
    writer.message(delimited(1), end);
    writer.message(delimited(3), end);
  }
  for (const op of request.success.toReversed()) {
    const end = writer.written;
    if ('put' in op) {
      writePut(writer, op.put);
      writer.message(delimited(2), end);
    } else {
      writeKeys(writer, op.delete);
      writer.message(delimited(3), end);
    }
    writer.message(delimited(2), end);
  }
  for (const compare of request.compare.toReversed()) {
    const end = writer.written;
    writeCompare(writer, compare);
    writer.message(delimited(1), end);
  }
  return writer.finish();
}

function writeRange(writer: WireWriter, range: RangeRequest): void {
  if (range.keysOnly === true) writer.yes(varint(8));
  if (range.revision !== undefined) writer.int64(varint(4), range.revision);
  if (range.limit !== undefined) writer.int64(varint(3), range.limit);
  writeKeys(writer, range);
}

function writePut(writer: WireWriter, put: PutRequest): void {
  if (put.lease !== undefined) writer.lease(varint(3), put.lease);
  writer.bytes(delimited(2), put.value);
  writer.bytes(delimited(1), put.key);
}

function writeCompare(writer: WireWriter, compare: CompareRequest): void {
  if (compare.rangeEnd !== undefined) writer.bytes(delimited(64), compare.rangeEnd);
  // Also where it is 0: it is one of a union, whose default is "none".
  writer.int64(OPERAND[compare.target], compare.revision);
  writer.bytes(delimited(3), compare.key);
  writer.int64(varint(2), TARGET[compare.target]);
  writer.int64(varint(1), RESULT[compare.result]);
}

/** What every request for keys begins with. */
export function writeKeys(writer: WireWriter, keys: {readonly key: Buffer; readonly rangeEnd?: Buffer}): void {
  if (keys.rangeEnd !== undefined) writer.bytes(delimited(2), keys.rangeEnd);
  writer.bytes(delimited(1), keys.key);
}

export function decodeRange(bytes: Buffer): RangeResponse {
  const reader = new WireReader(bytes);
  const {revision, ...found} = readRange(reader, reader.length);
  return {revision: must(revision, 'etcd answers with a header'), ...found};
}

export function decodeTxn(bytes: Buffer): TxnResponse {
  const reader = new WireReader(bytes);
  const found: (readonly KeyValue[])[] = [];
  let revision: Revision | undefined;
  let succeeded = false;
  while (reader.isBefore(reader.length)) {
    const tag = reader.tag();
    if (tag === delimited(1)) revision = readHeader(reader);
    else if (tag === varint(2)) succeeded = reader.bool();
    // Of a success nothing is read: an empty answer for each write.
    else if (tag === delimited(3) && !succeeded) readOpResponse(reader, found);
    else reader.skip(tag);
  }
  return {revision: must(revision, 'etcd answers with a header'), succeeded, found: succeeded ? [] : found};
}

/** The revision of the header that comes now. */
export function readHeader(reader: WireReader): Revision {
  const end = reader.message();
  let revision = 0;
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === varint(3)) revision = reader.int64();
    else reader.skip(tag);
  }
  return revision;
}

/** The key that comes now. */
export function readKeyValue(reader: WireReader): KeyValue {
  const end = reader.message();
  let key = '';
  let value: Buffer = NOTHING;
  let createRevision = 0;
  let modRevision = 0;
  let lease = '0';
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) key = reader.text();
    else if (tag === varint(2)) createRevision = reader.int64();
    else if (tag === varint(3)) modRevision = reader.int64();
    else if (tag === delimited(5)) value = reader.view();
    else if (tag === varint(6)) lease = reader.lease();
    else reader.skip(tag);
  }
  return {key, value, createRevision, modRevision, lease};
}

/** The bytes of the key that comes now. */
function readKeyBytes(reader: WireReader): Buffer {
  const end = reader.message();
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) return reader.view();
    reader.skip(tag);
  }
  return NOTHING;
}

function readRange(reader: WireReader, end: number): Omit<RangeResponse, 'revision'> & {readonly revision: Revision | undefined} {
  const entries: KeyValue[] = [];
  let revision: Revision | undefined;
  let more = false;
  let count = 0;
  let lastAt = 0;
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) revision = readHeader(reader);
    else if (tag === delimited(2)) {
      lastAt = reader.at;
      entries.push(readKeyValue(reader));
    } else if (tag === varint(3)) more = reader.bool();
    else if (tag === varint(4)) count = reader.int64();
    else reader.skip(tag);
  }
  if (entries.at(-1)?.key.includes('\uFFFD') !== true) return {revision, entries, more, count};
  return {revision, entries, more, count, lastKey: readKeyBytes(reader.from(lastAt))};
}

function readOpResponse(reader: WireReader, found: (readonly KeyValue[])[]): void {
  const end = reader.message();
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) found.push(readRange(reader, reader.message()).entries);
    else reader.skip(tag);
  }
}
