import {randomBytes} from 'node:crypto';

/** One stored scan: its keys and values, in which the id can be replaced by another's. */
export interface Template {
  readonly id: string;
  readonly entries: readonly {readonly key: string; readonly value: string}[];
}

/** The bytes of a scan's keys and values. */
export function templateBytes(template: Template): number {
  return template.entries.reduce((sum, {key, value}) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
}

/** Makes copies of a scan under other ids, byte for byte as long. */
export function copier(template: Template): (id: string) => readonly {readonly key: string; readonly value: string}[] {
  const parts = template.entries.map(({key, value}) => ({key: key.split(template.id), value: value.split(template.id)}));
  return (id) => parts.map(({key, value}) => ({key: key.join(id), value: value.join(id)}));
}

const HEX = /\b[0-9a-f]{64}\b/g;
const RFC3339 = /\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;
const SECONDS = /\b1[6-9]\d{8}\.\d+/g;

/** Replaces what differs from scan to scan in real life (digests and times), so that a cache which shares equal values gains no more than it would. */
export function varied(value: string): string {
  return value
    .replaceAll(HEX, () => randomBytes(32).toString('hex'))
    .replaceAll(RFC3339, (time) => new Date(Date.parse(time) + Math.floor(Math.random() * 86_400_000)).toISOString())
    .replaceAll(SECONDS, (seconds) => String(Math.round((Number(seconds) + Math.random() * 86_400) * 1000) / 1000));
}
