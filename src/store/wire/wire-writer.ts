import {assert} from '../../lib/assert.ts';

/** The varint of the lease that was written last: a process writes thousands of keys in the name of one. */
let lastLease: {readonly text: string; readonly varint: Buffer} = {text: '0', varint: Buffer.of(0)};

/**
 * Writes a protobuf message from back to front: a message inside another is preceded by its size, which is known only when it has been written.
 *
 * So of a message the last field is written first, and one inside another like this:
 *
 *     const end = writer.written;
 *     writePut(writer, put);
 *     writer.message(delimited(2), end);
 *
 * Whoever writes leaves out fields that have their default value.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class WireWriter {
  #bytes: Buffer;
  /** Where the message begins, so far. */
  #at: number;

  /** `room`: bytes to begin with; it grows by itself. */
  constructor(room: number) {
    this.#bytes = Buffer.allocUnsafe(room);
    this.#at = room;
  }

  /** Bytes written so far, as a mark for {@link message}. */
  get written(): number {
    return this.#bytes.length - this.#at;
  }

  /** All that was written. */
  finish(): Buffer {
    return this.#bytes.subarray(this.#at);
  }

  /** A number, or an enum's. */
  int64(tag: number, value: number): void {
    assert(Number.isSafeInteger(value), 'the int64 is a safe integer');
    if (value >= 0) this.#varint(value);
    else this.#raw(varintOf(BigInt(value)));
    this.#varint(tag);
  }

  /** A lease id, in decimal. */
  lease(tag: number, text: string): void {
    if (text !== lastLease.text) lastLease = {text, varint: varintOf(BigInt(text))};
    this.#raw(lastLease.varint);
    this.#varint(tag);
  }

  /** A bool that is true. */
  yes(tag: number): void {
    this.#varint(1);
    this.#varint(tag);
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#raw(value);
    this.#varint(value.length);
    this.#varint(tag);
  }

  /** Makes a message of all that was written since `end`, a mark taken from {@link written}. */
  message(tag: number, end: number): void {
    this.#varint(this.written - end);
    this.#varint(tag);
  }

  #raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
  }

  #varint(value: number): void {
    // A safe integer takes no more.
    this.#reserve(8);
    let size = 1;
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
    this.#at -= size;
    let at = this.#at;
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[at++] = (rest % 0x80) | 0x80;
    this.#bytes[at] = rest;
  }

  #reserve(size: number): void {
    if (size <= this.#at) return;
    const {written} = this;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, written + size));
    larger.set(this.finish(), larger.length - written);
    this.#bytes = larger;
    this.#at = larger.length - written;
  }
}

/** An int64 as etcd expects it: a negative one has ten bytes. */
function varintOf(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
