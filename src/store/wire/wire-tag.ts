/** How a field's value is written: the lowest three bits of its tag. */
export const VARINT = 0;
export const FIXED64 = 1;
export const DELIMITED = 2;
export const FIXED32 = 5;

/** The tag of a number, an enum or a bool. */
export function varint(field: number): number {
  return (field << 3) | VARINT;
}

/** The tag of a text, of bytes or of a message. */
export function delimited(field: number): number {
  return (field << 3) | DELIMITED;
}
