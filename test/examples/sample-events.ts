import {readFileSync} from 'node:fs';
import {deflateSync} from 'node:zlib';

/** As much of an event's layout as tests change. */
export interface RealtimeEvent {
  insert_time?: string;
  varname?: string;
  value: {
    streams?: string[];
    zmqnotify?: {topics: string | string[]};
    data: {qtot: number; reco: Record<'splinempe' | 'l2_online_bestfit' | 'spefit2', {azi: number | null; fit_stat?: number}>};
  };
}

/** The sample event that comes with the reference scanner. */
export function sampleEvent(): RealtimeEvent {
  return JSON.parse(readFileSync(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8')) as RealtimeEvent;
}

interface MadeUpParticle {
  readonly name: string;
  readonly zenith: number;
  readonly azimuth: number;
  readonly position: readonly [number, number, number];
  readonly energy?: number;
}

/** A physics frame as a realtime event carries it, with just the parts that the scanner looks for. `isText` writes it as Python 3 does. */
export function encodedFrame(
  runId: number,
  eventId: number,
  year: number,
  tenthsOfNs: bigint,
  particles: readonly MadeUpParticle[],
  isText: boolean,
): string {
  const u32 = (n: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(n);
    return bytes;
  };
  const i64 = (n: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(n);
    return bytes;
  };
  const double = (n: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(n);
    return bytes;
  };
  const named = (text: string): Buffer => Buffer.concat([u32(text.length), Buffer.from(text)]);
  const header = Buffer.concat([
    named('I3EventHeader'),
    ...[named('I3EventHeader'), u32(99), Buffer.from([0, 1, 2, 0]), named('I3EventHeader'), Buffer.from([1, 3, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0])],
    ...[u32(runId), u32(0), u32(eventId), u32(20), u32(0), named('InIceSplit')],
    ...[Buffer.from([1, 0, 2, 0, 0, 0, 3, 0, 0, 0]), u32(year), i64(tenthsOfNs)],
  ]);
  const fits = particles.map(({name, zenith, azimuth, position, energy = Number.NaN}) => {
    const body = Buffer.concat([
      ...[Buffer.from([1, 5]), Buffer.alloc(44), ...position.map(double), Buffer.from([1, 0, 4, 0, 0, 0, 5, 0, 0, 0])],
      ...[double(zenith), double(azimuth), double(9700), double(energy), double(Number.NaN), double(0.3), u32(0)],
    ]);
    return Buffer.concat([named(name), named('I3Particle'), u32(body.length + 18), Buffer.from([0, 1, 2, 0]), named('I3Particle'), body]);
  });
  const bytes = Buffer.concat([...fits, header, Buffer.alloc(64)]);
  const pickle = isText
    ? Buffer.concat([Buffer.from('\x80\x02cicecube\nI3Frame\n_codecs\nencode\n'), Buffer.from(bytes.toString('latin1'), 'utf8')])
    : Buffer.concat([Buffer.from('cicecube\nI3Frame\n'), bytes]);
  // A pickle that is text throughout has no byte of its own above 127 but the two of its mark.
  const whole = isText ? Buffer.from(pickle.toString('latin1').replace('\x80\x02', ''), 'latin1') : pickle;
  return deflateSync(whole).toString('base64');
}
