import {createHash} from 'node:crypto';
import {parseMjd} from './astrometry.ts';
import type {DetectorDirection} from './astrometry.ts';
import {readFrames} from './frames.ts';
import type {FrameParticle} from './frames.ts';

/** One reconstruction that came with the event. Angles and uncertainties are radians. */
export interface EventReco extends DetectorDirection {
  readonly name: string;
  readonly sigmaZenith?: number;
  /** On the sphere, not in the coordinate: already multiplied with sin(zenith). */
  readonly sigmaAzimuth?: number;
  /** Negative log-likelihood at that direction. */
  readonly llh?: number;
}

/** What a scan needs to know of a realtime event. */
export interface ScanEvent {
  readonly runId: number;
  readonly eventId: number;
  readonly eventType: string;
  /** Days, UTC. */
  readonly mjd: number;
  /** Best first, only those that converged. May be empty. */
  readonly recos: readonly EventReco[];
  /** A point on the track in detector coordinates: metres, nanoseconds since the event began. */
  readonly vertex?: {readonly position: readonly [number, number, number]; readonly time: number};
  /** GeV, if a reconstruction gives one. */
  readonly energy?: number;
  /** Photo-electrons seen, and light sensors that saw some. */
  readonly charge?: number;
  readonly channels?: number;
  /** SHA-256 (hex) of the event's own data: the same event gives the same scan. */
  readonly digest: string;
}

/** An event that cannot be scanned; the text says why. */
export class EventError extends Error {}

/** The order in which reconstructions are trusted; any other comes after these, by name. */
const PREFERENCE = ['splinempe', 'l2_online_bestfit', 'spefit2'];
const ENERGY_PREFERENCE = ['spline_muex', 'mpe_muex', 'spline_mue', 'truncated'];

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a realtime event in either layout:
 * - `2023a`: `value.data` is an object with plain-text reconstructions under `reco` beside the encoded frames; the plain text counts, the frames add
 *   where the track was seen;
 * - before: `value.data` is the list of encoded frames, and everything comes from what can be read of those.
 *
 * @throws EventError when there is neither.
 */
export function parseEvent(json: unknown): ScanEvent {
  const value = fields(fields(json)?.['value']);
  const data = value?.['data'];
  if (value === undefined || typeof data !== 'object' || data === null) {
    throw new EventError(
      `no realtime event: it has no value.data (it is ${typeof json === 'string' ? 'a text' : json === null ? 'null' : `of type ${typeof json}`})`,
    );
  }
  const record: Fields = Array.isArray(data) ? {frames: data} : (data as Fields);
  const frames = readFrames(record['frames']);
  const fits = [...frames.particles].sort((a, b) => fitRank(a) - fitRank(b));
  const reco = fields(record['reco']) ?? {};
  const plain = recosOf(reco);
  const energy =
    ENERGY_PREFERENCE.map((name) => number(fields(reco['energy'])?.[name])).find((e) => e !== undefined && e > 0) ??
    fits.find((fit) => fit.energy !== undefined)?.energy;
  const charge = number(record['qtot']);
  const channels = number(record['nch']);
  return {
    runId: integer(record['run_id']) ?? frames.header?.runId ?? 0,
    eventId: integer(record['event_id']) ?? frames.header?.eventId ?? 0,
    eventType: eventTypeOf(json as Fields, value),
    mjd: parseMjd(record['eventtime']) ?? frames.header?.mjd ?? parseMjd(fields(json)?.['time']) ?? 0,
    recos: plain.length > 0 ? plain : fits.map(({name, zenith, azimuth}) => ({name, zenith, azimuth})),
    ...(fits[0] === undefined ? {} : {vertex: {position: fits[0].position, time: fits[0].time}}),
    ...(energy === undefined ? {} : {energy}),
    ...(charge === undefined ? {} : {charge}),
    ...(channels === undefined ? {} : {channels}),
    digest: createHash('sha256').update(JSON.stringify(data)).digest('hex'),
  };
}

/** Track fits with the best model of the ice first; a straight line through the hits, and a shower fit, whose direction means little, last. */
function fitRank(fit: FrameParticle): number {
  const ranks = [/SplineMPE$/, /BestFit$/, /MPE/, /SPEFit\d/, /SPEFit/, /(?<!LineFit|VertexFit)$/, /VertexFit$/];
  const rank = ranks.findIndex((pattern) => pattern.test(fit.name));
  return rank < 0 ? ranks.length : rank;
}

/** A reconstruction counts if it has both angles and did not report failure (`fit_stat` absent or 0). Order: {@link PREFERENCE}, then by name. */
function recosOf(reco: Fields): EventReco[] {
  const found: EventReco[] = [];
  for (const [name, value] of Object.entries(reco)) {
    const fit = fields(value);
    const zenith = number(fit?.['zen']);
    const azimuth = number(fit?.['azi']);
    if (fit === undefined || zenith === undefined || azimuth === undefined || (number(fit['fit_stat']) ?? 0) !== 0) continue;
    const sigmaZenith = positive(fit['cr_zen']) ?? positive(fit['pb_err1']) ?? positive(fit['bs_est']);
    const crAzimuth = positive(fit['cr_azi']);
    const sigmaAzimuth =
      crAzimuth === undefined ? (positive(fit['pb_err2']) ?? positive(fit['bs_est'])) : crAzimuth * Math.max(Math.sin(zenith), 0.05);
    const llh = number(fit['llh']);
    found.push({
      name,
      zenith,
      azimuth,
      ...(sigmaZenith === undefined ? {} : {sigmaZenith}),
      ...(sigmaAzimuth === undefined ? {} : {sigmaAzimuth}),
      ...(llh === undefined ? {} : {llh}),
    });
  }
  const rank = (name: string): number => (PREFERENCE.includes(name) ? PREFERENCE.indexOf(name) : PREFERENCE.length);
  return found.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1));
}

/** Never empty: a report without it is refused. Newer events name their streams, older ones their topic. */
function eventTypeOf(json: Fields, value: Fields): string {
  for (const candidate of [value['streams'], fields(value['zmqnotify'])?.['topics'], json['varname']]) {
    const first: unknown = Array.isArray(candidate) ? candidate[0] : candidate;
    if (typeof first === 'string' && first !== '') return first;
  }
  return 'unknown';
}

function fields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function positive(value: unknown): number | undefined {
  const n = number(value);
  return n !== undefined && n > 0 ? n : undefined;
}

function integer(value: unknown): number | undefined {
  const n = number(value);
  return n === undefined ? undefined : Math.trunc(n);
}
