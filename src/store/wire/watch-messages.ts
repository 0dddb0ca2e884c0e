import type {KeyValue, Revision} from '../store.ts';
import {readHeader, readKeyValue, writeKeys} from './kv-messages.ts';
import {WireReader} from './wire-reader.ts';
import {delimited, varint} from './wire-tag.ts';
import {WireWriter} from './wire-writer.ts';

// etcd's messages on a watch stream, as far as we use them; all else is passed over. See etcd's rpc.proto.

/** One key as a revision left it. Of a deleted key only `key` and `modRevision` (the deletion's) mean anything. */
export interface WatchEvent {
  readonly kind: 'put' | 'delete';
  readonly kv: KeyValue;
}

/** `create`: a watch of all keys from `key` up to `rangeEnd`. `progress`: asks how far etcd is. */
export type WatchRequest = {readonly create: WatchCreate} | {readonly progress: true};

export interface WatchCreate {
  readonly key: Buffer;
  readonly rangeEnd: Buffer;
  /** Without one, from now on. */
  readonly startRevision?: Revision;
  /** Wants notices without having asked, too. */
  readonly progressNotify?: boolean;
  /** Takes the events of one revision in several messages, where they are many. */
  readonly fragment?: boolean;
}

/** Keys are etcd's, with whatever prefix they have there. Values are views into the message. */
export interface WatchResponse {
  /** The header's; 0 if there is none. */
  readonly revision: Revision;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Above 0: the watch was cancelled because what it asked for has been compacted up to there. */
  readonly compactRevision: Revision;
  readonly cancelReason: string;
  /** More events of the last revision follow in the next message. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

/** `mvccpb.Event.EventType` */
const DELETE = 1;

export function encodeWatch(request: WatchRequest): Buffer {
  const writer = new WireWriter(256);
  if ('progress' in request) {
    writer.message(delimited(3), 0);
    return writer.finish();
  }
  const {create} = request;
  if (create.fragment === true) writer.yes(varint(8));
  if (create.progressNotify === true) writer.yes(varint(4));
  if (create.startRevision !== undefined) writer.int64(varint(3), create.startRevision);
  writeKeys(writer, create);
  writer.message(delimited(1), 0);
  return writer.finish();
}

export function decodeWatch(bytes: Buffer): WatchResponse {
  const reader = new WireReader(bytes);
  const events: WatchEvent[] = [];
  let revision = 0;
  let created = false;
  let canceled = false;
  let compactRevision = 0;
  let cancelReason = '';
  let fragment = false;
  while (reader.isBefore(reader.length)) {
    const tag = reader.tag();
    if (tag === delimited(11)) events.push(readEvent(reader));
    else if (tag === delimited(1)) revision = readHeader(reader);
    else if (tag === varint(3)) created = reader.bool();
    else if (tag === varint(4)) canceled = reader.bool();
    else if (tag === varint(5)) compactRevision = reader.int64();
    else if (tag === delimited(6)) cancelReason = reader.text();
    else if (tag === varint(7)) fragment = reader.bool();
    else reader.skip(tag);
  }
  return {revision, created, canceled, compactRevision, cancelReason, fragment, events};
}

function readEvent(reader: WireReader): WatchEvent {
  const end = reader.message();
  let kind: WatchEvent['kind'] = 'put';
  let kv: KeyValue | undefined;
  while (reader.isBefore(end)) {
    const tag = reader.tag();
    if (tag === varint(1)) kind = reader.int64() === DELETE ? 'delete' : 'put';
    else if (tag === delimited(2)) kv = readKeyValue(reader);
    else reader.skip(tag);
  }
  if (kv === undefined) throw new Error('an event without a key');
  return {kind, kv};
}
