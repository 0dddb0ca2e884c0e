import {inflateSync} from 'node:zlib';
import type {DetectorDirection} from './astrometry.ts';

/** Which event a frame belongs to. `mjd` is days, UTC. */
export interface FrameHeader {
  readonly runId: number;
  readonly eventId: number;
  readonly mjd: number;
}

/** A fitted particle out of a frame: radians, metres and nanoseconds in detector coordinates, GeV. */
export interface FrameParticle extends DetectorDirection {
  readonly name: string;
  readonly position: readonly [number, number, number];
  readonly time: number;
  /** Only fits of a shower have one. */
  readonly energy?: number;
}

export interface FrameContent {
  readonly header?: FrameHeader;
  readonly particles: readonly FrameParticle[];
}

/**
 * Reads what a sky scan needs out of the frames of a realtime event, a list of `[frame type, text]`: the event header and the fitted particles.
 *
 * Each text is base64 of zlib of a Python pickle of a serialised frame, little endian. No full reader: it looks for the two classes by name and takes their
 * fields at fixed distances, for the one version of each that realtime events of 2016 to 2023 carry, and only if the values make sense. Calibration and
 * geometry frames, nearly all of the bytes, are left alone. What cannot be read is left out; it never throws.
 */
export function readFrames(frames: unknown): FrameContent {
  if (!Array.isArray(frames)) return {particles: []};
  const particles: FrameParticle[] = [];
  let header: FrameHeader | undefined;
  // A physics frame holds a copy of its DAQ frame's header, and the fits.
  for (const kind of ['P', 'Q']) {
    for (const frame of frames) {
      if (!Array.isArray(frame) || frame[0] !== kind || typeof frame[1] !== 'string') continue;
      try {
        const bytes = decoded(frame[1]);
        header ??= headerIn(bytes);
        if (kind === 'P') particles.push(...particlesIn(bytes));
      } catch {
        // Not a frame that we can read: the others may be.
      }
    }
    if (header !== undefined) break;
  }
  return {...(header === undefined ? {} : {header}), particles};
}

function decoded(text: string): Buffer {
  const bytes = inflateSync(Buffer.from(text, 'base64'), {maxOutputLength: 64 << 20});
  // Python 3 pickles bytes as text, in which each byte above 127 takes two.
  return bytes.subarray(0, 200).includes('_codecs') ? Buffer.from(bytes.toString('utf8'), 'latin1') : bytes;
}

const HEADER = Buffer.from('\x0d\0\0\0I3EventHeader\x01\x03', 'latin1');
const TIME = Buffer.from([1, 0, 2, 0, 0, 0]);

/** Behind the class name and version: 10 bytes, uint32 run, uint32 sub-run, uint32 event, ..., a mark, 4 bytes, int32 year, int64 0.1 ns since it began. */
function headerIn(bytes: Buffer): FrameHeader | undefined {
  const at = bytes.indexOf(HEADER);
  if (at < 0) return undefined;
  const start = at + HEADER.length + 10;
  const mark = bytes.indexOf(TIME, start + 12);
  if (mark < 0 || mark > start + 80) return undefined;
  const year = bytes.readInt32LE(mark + 10);
  const days = Number(bytes.readBigInt64LE(mark + 14)) / 864e12;
  if (year < 2000 || year > 2100 || !(days >= 0 && days <= 366)) return undefined;
  return {runId: bytes.readUInt32LE(start), eventId: bytes.readUInt32LE(start + 8), mjd: Date.UTC(year, 0, 1) / 86_400_000 + 40587 + days};
}

const PARTICLE = Buffer.from('\x0a\0\0\0I3Particle', 'latin1');

/** `[length, name] [length, class] [length of the object] 4 bytes [length, class] version...`; position, direction, time and energy are doubles. */
function particlesIn(bytes: Buffer): FrameParticle[] {
  const found: FrameParticle[] = [];
  for (let at = bytes.indexOf(PARTICLE); at >= 0; at = bytes.indexOf(PARTICLE, at + 1)) {
    const body = at + 2 * PARTICLE.length + 8;
    if (bytes.indexOf(PARTICLE, at + 1) !== body - PARTICLE.length || body + 112 > bytes.length || bytes[body + 1] !== 5) continue;
    const name = nameBefore(bytes, at);
    const [x, y, z] = [bytes.readDoubleLE(body + 46), bytes.readDoubleLE(body + 54), bytes.readDoubleLE(body + 62)];
    const [zenith, azimuth] = [bytes.readDoubleLE(body + 80), bytes.readDoubleLE(body + 88)];
    const [time, energy] = [bytes.readDoubleLE(body + 96), bytes.readDoubleLE(body + 104)];
    const isSane = Math.hypot(x, y, z) < 5000 && zenith >= 0 && zenith <= Math.PI && azimuth >= 0 && azimuth <= 2 * Math.PI && Number.isFinite(time);
    if (name === undefined || !isSane) continue;
    found.push({name, zenith, azimuth, position: [x, y, z], time, ...(energy > 0 && energy < 1e9 ? {energy} : {})});
  }
  return found;
}

/** The text that ends at `end` and is preceded by its own length. */
function nameBefore(bytes: Buffer, end: number): string | undefined {
  for (let length = 1; length <= 100 && end - length - 4 >= 0; length++) {
    if (bytes.readUInt32LE(end - length - 4) !== length) continue;
    const name = bytes.toString('latin1', end - length, end);
    if (/^\w+$/.test(name)) return name;
  }
  return undefined;
}
