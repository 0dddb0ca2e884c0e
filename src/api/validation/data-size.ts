import {badArgument} from '../api-error.ts';

const PREFIXES = 'kmgtpezy';

/**
 * A size in bytes from a whole number of bytes or a text such as `1024M`, `8GB`, `1.5 GiB`, `512`, `5 bytes`.
 *
 * Units without `i` are decimal, in any case, and only their first letter counts; `KiB MiB GiB …` are binary. Fractions of a byte are cut off.
 *
 * @throws ApiError `invalid`
 * @see Python's humanfriendly.parse_size, which SkyDriver uses
 */
export function parseDataSize(size: string | number, argument = ''): number {
  if (typeof size === 'number') return size;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(size);
  const number = Number(match?.[1]);
  const unit = match?.[2]?.toLowerCase() ?? '';
  const scale = match === null ? undefined : scaleOf(unit);
  const bytes = scale === undefined ? Number.NaN : Math.trunc(number * scale);
  if (!Number.isSafeInteger(bytes)) throw badArgument(argument, `invalid size: ${size}`);
  return bytes;
}

function scaleOf(unit: string): number | undefined {
  if (unit === '' || unit.startsWith('b')) return 1;
  const power = PREFIXES.indexOf(unit[0] as string) + 1;
  if (power === 0) return undefined;
  const isBinary = /^.ib$/.test(unit) || /^[a-z]{2,3}bibytes?$/.test(unit);
  return (isBinary ? 1024 : 1000) ** power;
}
