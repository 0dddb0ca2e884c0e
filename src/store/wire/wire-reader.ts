import {assert} from '../../lib/assert.ts';
import {DELIMITED, FIXED32, FIXED64, VARINT} from './wire-tag.ts';

/** A lease id in decimal, and the 28 + 28 + 8 bits that it was read from. */
interface KnownLease {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly text: string;
}

/** The leases met last, by their lowest bits: few are alive at a time, and each is on thousands of keys. */
const KNOWN_LEASES: (KnownLease | undefined)[] = Array.from({length: 16});

/**
 * Reads protobuf messages from front to back, without copying.
 *
 * A message is read in a loop that ends where it does, one field per turn; a field that is not wanted is skipped:
 *
 *     const end = reader.message();
 *     while (reader.isBefore(end)) {
 *       const tag = reader.tag();
 *       if (tag === varint(1)) id = reader.int64();
 *       else reader.skip(tag);
 *     }
 *
 * @throws Error where the bytes are no such message.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  // The varint read last: its lowest 28 bits, the next 28, the highest 8.
  #low = 0;
  #middle = 0;
  #high = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Where the outermost message ends. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Where the next byte is read. */
  get at(): number {
    return this.#at;
  }

  /** Another reader of the same bytes, from there on. */
  from(at: number): WireReader {
    const other = new WireReader(this.#bytes);
    other.#at = at;
    return other;
  }

  /** Whether the message that ends at `end` goes on. */
  isBefore(end: number): boolean {
    if (this.#at < end) return true;
    // Reading past the end of the bytes yields zeros, so that this one look per message is enough.
    if (this.#at > end) throw new Error('a field reaches beyond the end of its message');
    return false;
  }

  /** A field's number and kind: see {@link varint} and {@link delimited}. */
  tag(): number {
    return this.#small();
  }

  /** The end of the message that begins here. */
  message(): number {
    return this.#end();
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#middle | this.#high) !== 0;
  }

  /** An enum's number, or an int64 that is known to be a safe integer. */
  int64(): number {
    const first = this.#bytes[this.#at] as number;
    if (first < 0x80) {
      this.#at += 1;
      return first;
    }
    this.#varint();
    const high = this.#high < 0x80 ? this.#high : this.#high - 0x100;
    // From high to low, since a negative one is exact only so; one that is too large is rounded, but never to a safe integer.
    const value = high * 2 ** 56 + this.#middle * 2 ** 28 + this.#low;
    assert(Number.isSafeInteger(value), 'the int64 is a safe integer');
    return value;
  }

  /** A lease id, exact, in decimal. */
  lease(): string {
    this.#varint();
    const [low, middle, high] = [this.#low, this.#middle, this.#high];
    const known = KNOWN_LEASES[low & 0xf];
    if (known !== undefined && known.low === low && known.middle === middle && known.high === high) return known.text;
    const text = BigInt.asIntN(64, (BigInt(high) << 56n) | (BigInt(middle) << 28n) | BigInt(low)).toString();
    KNOWN_LEASES[low & 0xf] = {low, middle, high, text};
    return text;
  }

  text(): string {
    const end = this.#end();
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end;
    return text;
  }

  /** Bytes as a view: they live as long as the message. */
  view(): Buffer {
    const end = this.#end();
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** Passes over the value of a field that is not wanted, or not known. */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.#varint();
        break;
      case FIXED64:
        this.#at += 8;
        break;
      case DELIMITED:
        this.#at = this.#end();
        break;
      case FIXED32:
        this.#at += 4;
        break;
      default:
        throw new Error(`a field of unknown kind ${tag & 7}`);
    }
  }

  /** The end of a delimited value. */
  #end(): number {
    const length = this.#small();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('the message is cut off');
    return end;
  }

  /** A tag or a length: a varint of at most 32 bits. */
  #small(): number {
    const first = this.#bytes[this.#at] as number;
    if (first < 0x80) {
      this.#at += 1;
      return first;
    }
    this.#varint();
    if (this.#high !== 0 || this.#middle > 0xf) throw new Error('a tag or length is too large');
    return this.#middle * 2 ** 28 + this.#low;
  }

  #varint(): void {
    const bytes = this.#bytes;
    let low = 0;
    let middle = 0;
    let high = 0;
    for (let i = 0; ; i += 1) {
      if (i === 10) throw new Error('a varint is too long');
      const byte = bytes[this.#at++] as number;
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i < 8) middle |= bits << (7 * (i - 4));
      else high |= bits << (7 * (i - 8));
      // Beyond the end there is no byte, and the varint ends.
      if (!(byte >= 0x80)) break;
    }
    this.#low = low;
    this.#middle = middle;
    this.#high = high & 0xff;
  }
}
