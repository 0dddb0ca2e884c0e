import {azimuthOrigin, toEquatorial} from './astrometry.ts';
import type {ScanEvent} from './event.ts';
import {directionOf, dot, normalised, pixelCentre, TWO_PI, vectorOf} from './geometry.ts';
import type {Vec3} from './geometry.ts';
import {minimise} from './minimise.ts';

/** Shifts of the vertex, in metres, from which each pixel's minimisation is begun: the position variations of a sky scan. */
export const POSITION_VARIATIONS: readonly Vec3[] = [
  [0, 0, 0],
  [20, 0, 0],
  [-20, 0, 0],
  [0, 20, 0],
  [0, -20, 0],
  [0, 0, 20],
  [0, 0, -20],
];

/** A stand-in for a light sensor's record: place (m), time of the first light (ns), charge (photo-electrons). */
export type Hit = readonly [x: number, y: number, z: number, t: number, q: number];

/** All that a worker needs to evaluate pixels; plain JSON. Equatorial vectors are J2000. Made from the event by {@link scanModel}. */
export interface ScanModel {
  /** The reconstruction behind `direction`, or `digest` where the event has none that can be read. */
  readonly source: string;
  readonly direction: Vec3;
  /** Tangents at `direction`: along declination and along right ascension. */
  readonly north: Vec3;
  readonly east: Vec3;
  readonly sigmaNorth: number;
  readonly sigmaEast: number;
  /** The llh at `direction`. */
  readonly floor: number;
  /** How many sensors have a say: sets how slowly the llh grows far out. */
  readonly freedom: number;
  /** Mean of the other reconstructions' directions, and how much it pulls. */
  readonly pull: {readonly direction: Vec3; readonly weight: number};
  /** Right ascension plus azimuth, the same for every direction at the event's time. */
  readonly azimuthOrigin: number;
  readonly vertex: {readonly position: Vec3; readonly time: number};
  /** GeV. */
  readonly energy: number;
  readonly hits: readonly Hit[];
}

/** `llh`, energies in GeV, vertex in metres and nanoseconds; what was not reached in time is NaN. */
export interface PixelFit {
  readonly llh: number;
  readonly energyIn: number;
  readonly energyTotal: number;
  readonly vertex: readonly [x: number, y: number, z: number, t: number];
}

export interface FitOptions {
  /** Scales the CPU time of a pixel; 1 is about 2 ms. */
  readonly work: number;
  /** Milliseconds of `performance.now()` after which the best so far has to do. */
  readonly deadlineMs?: number;
}

const LIGHT_SPEED = 0.299792458; // m/ns
const CHERENKOV_SLOPE = 0.88; // tan of the Cherenkov angle in ice: the delay of light per metre off the track
const ABSORPTION = 100; // m
const TIMING = 50; // ns: scattering in ice blurs arrival times about that much
const TIMING_WEIGHT = 0.25;
const DEFAULT_SIGMA = 0.0087; // rad: half a degree, for a fit that states no error
const RADIANS_FLOOR = 0.0017; // no fit is better than a tenth of a degree, whatever it says

/**
 * The likelihood that a scan evaluates. It is a model of a reconstruction, not one: it does not look at the pulses.
 *
 * Its first term is a Kent distribution (an elliptic Gaussian on the sphere) around the event's preferred reconstruction, as wide as that states its
 * errors, with tails softened as for a t distribution of as many degrees of freedom as sensors were hit; its level is that fit's own llh, and the mean of
 * the other fits pulls at it a little. The second, milder term is a real minimisation: made-up hits along the reconstructed track are fitted, for the direction of
 * the pixel, by the time and place of the vertex. So maps have the shape, size and cost of a scan, with a minimum near the published direction.
 * An event without readable fits gets a direction from its digest: a scan of it exercises everything and means nothing.
 */
export function scanModel(event: ScanEvent): ScanModel {
  const random = randomFrom(event.digest);
  const [first, ...others] = event.recos;
  const detector = first ?? {name: 'digest', zenith: Math.acos(2 * random() - 1), azimuth: TWO_PI * random()};
  const sky = toEquatorial(detector, event.mjd);
  const direction = vectorOf(sky);
  const sum: [number, number, number] = [0, 0, 0];
  for (const other of others) vectorOf(toEquatorial(other, event.mjd)).forEach((c, i) => (sum[i] = (sum[i] ?? 0) + c));
  const length = Math.hypot(...sum);
  const freedom = Math.max(30, event.channels ?? 100);
  const position = event.vertex?.position ?? [200 * random() - 100, 200 * random() - 100, 200 * random() - 100];
  const vertex = {position, time: event.vertex?.time ?? 10_000};
  const energy = event.energy ?? (event.charge === undefined ? 10 ** (4 + 1.5 * random()) : 20 * event.charge);
  return {
    source: detector.name,
    direction,
    north: [-Math.sin(sky.dec) * Math.cos(sky.ra), -Math.sin(sky.dec) * Math.sin(sky.ra), Math.cos(sky.dec)],
    east: [-Math.sin(sky.ra), Math.cos(sky.ra), 0],
    sigmaNorth: Math.max(first?.sigmaZenith ?? DEFAULT_SIGMA, RADIANS_FLOOR),
    sigmaEast: Math.max(first?.sigmaAzimuth ?? DEFAULT_SIGMA, RADIANS_FLOOR),
    floor: first?.llh ?? 7 * freedom,
    freedom,
    pull: {direction: length > 0.1 ? [sum[0] / length, sum[1] / length, sum[2] / length] : direction, weight: 0.02 * freedom},
    azimuthOrigin: azimuthOrigin(event.mjd),
    vertex,
    energy,
    hits: madeUpHits(detectorVector(detector.zenith, detector.azimuth), vertex, energy, random),
  };
}

/** -log of the first term plus the pull, in units of llh above the floor. For a small angle d off the direction it is d^2 / (2 sigma^2). */
export function directionTerm(model: ScanModel, v: Vec3): number {
  const [a, b] = [1 / model.sigmaNorth ** 2, 1 / model.sigmaEast ** 2];
  const [north, east] = [dot(v, model.north), dot(v, model.east)];
  const kent = ((a + b) / 2) * (1 - dot(v, model.direction)) + ((a - b) / 4) * (north * north - east * east);
  return model.freedom * Math.log1p(Math.max(kent, 0) / model.freedom) + model.pull.weight * (1 - dot(v, model.pull.direction));
}

/** Fits one pixel: the direction is its centre, the rest is minimised from each of the {@link POSITION_VARIATIONS}, and the best of them counts. */
export function fitPixel(model: ScanModel, nside: number, index: number, options: FitOptions): PixelFit {
  const centre = pixelCentre(nside, index);
  const sky = directionOf(centre);
  const track = trackMisfit(model, detectorVector(sky.dec + Math.PI / 2, model.azimuthOrigin - sky.ra));
  const budget = Math.max(12, Math.round(150 * options.work));
  const {deadlineMs} = options;
  const isLate = deadlineMs === undefined ? () => false : () => performance.now() > deadlineMs;
  let best: ReturnType<typeof minimise> | undefined;
  for (const shift of POSITION_VARIATIONS) {
    if (isLate()) break;
    const start = [shift[0], shift[1], shift[2], 0];
    const minimum = minimise(track, start, [10, 10, 10, 30], budget, isLate);
    if (best === undefined || minimum.value < best.value) best = minimum;
  }
  if (best === undefined) return {llh: NaN, energyIn: NaN, energyTotal: NaN, vertex: [NaN, NaN, NaN, NaN]};
  const [dx, dy, dz, dt] = best.at as unknown as readonly [number, number, number, number];
  const energyIn = track.energy(best.at);
  const {position, time} = model.vertex;
  return {
    llh: model.floor + directionTerm(model, centre) + best.value,
    energyIn,
    energyTotal: energyIn * (1.2 + 0.001 * Math.hypot(dx, dy, dz)), // what goes in, and what leaves the detector unseen
    vertex: [position[0] + dx, position[1] + dy, position[2] + dz, time + dt],
  };
}

interface TrackMisfit {
  (shift: Float64Array): number;
  /** GeV that fits the charges best, for that shift. */
  energy(shift: Float64Array): number;
}

/** How badly the hits fit a track that comes from `source`, as a function of the vertex's shift (three metres and nanoseconds). */
function trackMisfit(model: ScanModel, source: Vec3): TrackMisfit {
  const {hits, vertex} = model;
  const [px, py, pz] = [-source[0], -source[1], -source[2]];
  const logEnergy = Math.log(model.energy);
  let meanCharge = 0;
  const misfit = (shift: Float64Array): number => {
    const [dx, dy, dz, dt] = shift as unknown as readonly [number, number, number, number];
    const [vx, vy, vz] = [vertex.position[0] + dx, vertex.position[1] + dy, vertex.position[2] + dz];
    let timing = 0;
    let charge = 0;
    let chargeSquares = 0;
    for (let i = 0; i < hits.length; i++) {
      const hit = hits[i] as Hit;
      const rx = hit[0] - vx;
      const ry = hit[1] - vy;
      const rz = hit[2] - vz;
      const along = rx * px + ry * py + rz * pz;
      const off = Math.sqrt(Math.max(rx * rx + ry * ry + rz * rz - along * along, 0) + 1);
      const late = (hit[3] - vertex.time - dt - (along + CHERENKOV_SLOPE * off) / LIGHT_SPEED) / TIMING;
      timing += Math.log1p(0.5 * late * late);
      const q = Math.log(hit[4]) + off / ABSORPTION;
      charge += q;
      chargeSquares += q * q;
    }
    meanCharge = charge / hits.length;
    const scatter = chargeSquares / hits.length - meanCharge * meanCharge;
    return TIMING_WEIGHT * timing + 0.5 * scatter + (dx * dx + dy * dy + dz * dz) / (2 * 30 * 30);
  };
  return Object.assign(misfit, {
    energy: (shift: Float64Array): number => {
      misfit(shift);
      return Math.exp(logEnergy + meanCharge - Math.log(CHARGE_UNIT));
    },
  });
}

const CHARGE_UNIT = 10; // photo-electrons that the event's energy leaves in a sensor beside the track

/** Hits within 60 m of the track and 300 m along it, as the event's energy would leave them, with 3 ns and 10 % of noise. */
function madeUpHits(source: Vec3, vertex: ScanModel['vertex'], energy: number, random: () => number): Hit[] {
  const travel: Vec3 = [-source[0], -source[1], -source[2]];
  // Any two directions across the track: the first from the axis that it is least along.
  const axis: Vec3 = Math.abs(travel[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
  const u = normalised(cross(travel, axis));
  const w = cross(travel, u);
  const count = Math.round(16 + 2 * Math.log10(Math.max(energy, 1)));
  return Array.from({length: count}, (): Hit => {
    const along = 600 * random() - 300;
    const off = 5 + 55 * random();
    const angle = TWO_PI * random();
    const place = (i: 0 | 1 | 2): number => vertex.position[i] + along * travel[i] + off * (Math.cos(angle) * u[i] + Math.sin(angle) * w[i]);
    const time = vertex.time + (along + CHERENKOV_SLOPE * off) / LIGHT_SPEED + 3 * (random() + random() - 1);
    return [place(0), place(1), place(2), time, CHARGE_UNIT * Math.exp(-off / ABSORPTION) * (1 + 0.1 * (2 * random() - 1))];
  });
}

/** The unit vector towards where it comes from, in detector coordinates. */
function detectorVector(zenith: number, azimuth: number): Vec3 {
  return [Math.sin(zenith) * Math.cos(azimuth), Math.sin(zenith) * Math.sin(azimuth), Math.cos(zenith)];
}

function cross(a: Vec3, b: Vec3): Vec3 {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

/** Numbers in [0, 1) that depend on the hexadecimal seed alone. A 32-bit xorshift: good enough for making up hits. */
function randomFrom(seed: string): () => number {
  let state = Number.parseInt(seed.slice(0, 8), 16) || 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < 8; i++) next(); // A small seed needs a few rounds to reach the high bits.
  return next;
}
