import type {CompareRequest, DeleteRequest, PutRequest, RangeRequest, TxnRequest} from '../../../src/store/wire/kv-messages.ts';
import {WireReader} from '../../../src/store/wire/wire-reader.ts';
import {delimited, varint} from '../../../src/store/wire/wire-tag.ts';

// What etcd reads of requests to its KV service, from the bytes that our store sends. See etcd's rpc.proto.

const RESULTS = ['equal', 'greater', 'less'] as const;
/** `version`, `create`, `mod`, `value`, `lease`. */
const TARGETS = [undefined, 'create', 'mod', undefined, undefined] as const;

export function decodeRangeRequest(bytes: Buffer): RangeRequest {
  const reader = new WireReader(bytes);
  return readRange(reader, reader.length);
}

export function decodeTxnRequest(bytes: Buffer): TxnRequest {
  const reader = new WireReader(bytes);
  const compare: CompareRequest[] = [];
  const success: TxnRequest['success'][number][] = [];
  const failure: RangeRequest[] = [];
  while (reader.isBefore(reader.length)) {
    const tag = reader.tag();
    if (tag === delimited(1)) compare.push(readCompare(reader, reader.message()));
    else if (tag === delimited(2)) {
      const op = readOp(reader, reader.message());
      if ('range' in op) throw new Error('the store reads nothing in a transaction that succeeds');
      success.push(op);
    } else if (tag === delimited(3)) {
      const op = readOp(reader, reader.message());
      if (!('range' in op)) throw new Error('the store writes nothing in a transaction that is refused');
      failure.push(op.range);
    } else throw new Error(`unknown field ${tag >> 3} of a transaction`);
  }
  return {compare, success, failure};
}

type ReadOp = {readonly range: RangeRequest} | {readonly put: PutRequest} | {readonly delete: DeleteRequest};

function readOp(reader: WireReader, end: number): ReadOp {
  let op: ReadOp | undefined;
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) op = {range: readRange(reader, reader.message())};
    else if (tag === delimited(2)) op = {put: readPut(reader, reader.message())};
    else if (tag === delimited(3)) op = {delete: readRange(reader, reader.message())};
    else throw new Error(`unknown operation ${tag >> 3}`);
  }
  if (op === undefined) throw new Error('an operation without a request');
  return op;
}

function readRange(reader: WireReader, end: number): RangeRequest {
  const request: {-readonly [K in keyof RangeRequest]: RangeRequest[K]} = {key: Buffer.alloc(0)};
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) request.key = reader.view();
    else if (tag === delimited(2)) request.rangeEnd = reader.view();
    else if (tag === varint(3)) request.limit = reader.int64();
    else if (tag === varint(4)) request.revision = reader.int64();
    else if (tag === varint(8)) request.keysOnly = reader.bool();
    else throw new Error(`unknown field ${tag >> 3} of a range`);
  }
  return request;
}

function readPut(reader: WireReader, end: number): PutRequest {
  const request: {-readonly [K in keyof PutRequest]: PutRequest[K]} = {key: Buffer.alloc(0), value: Buffer.alloc(0)};
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === delimited(1)) request.key = reader.view();
    else if (tag === delimited(2)) request.value = reader.view();
    else if (tag === varint(3)) request.lease = reader.lease();
    else throw new Error(`unknown field ${tag >> 3} of a put`);
  }
  return request;
}

function readCompare(reader: WireReader, end: number): CompareRequest {
  const request: {-readonly [K in keyof CompareRequest]: CompareRequest[K]} = {key: Buffer.alloc(0), target: 'create', result: 'equal', revision: 0};
  let result = 0;
  let target = 0;
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === varint(1)) result = reader.int64();
    else if (tag === varint(2)) target = reader.int64();
    else if (tag === delimited(3)) request.key = reader.view();
    else if (tag === varint(5) || tag === varint(6)) request.revision = reader.int64();
    else if (tag === delimited(64)) request.rangeEnd = reader.view();
    else throw new Error(`unknown field ${tag >> 3} of a compare`);
  }
  const [ofResult, ofTarget] = [RESULTS[result], TARGETS[target]];
  if (ofResult === undefined || ofTarget === undefined) throw new Error('a compare that the store never makes');
  return {...request, result: ofResult, target: ofTarget};
}
