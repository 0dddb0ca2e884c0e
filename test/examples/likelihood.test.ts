import {existsSync, readFileSync} from 'node:fs';
import {describe, expect, test} from 'vitest';
import {toEquatorial} from '../../examples/scanner/astrometry.ts';
import {parseEvent} from '../../examples/scanner/event.ts';
import {angleBetween, directionOf, pixelAt, vectorOf} from '../../examples/scanner/geometry.ts';
import {directionTerm, fitPixel, scanModel} from '../../examples/scanner/likelihood.ts';
import {minimise} from '../../examples/scanner/minimise.ts';
import {sampleEvent} from './sample-events.ts';

const model = scanModel(parseEvent(sampleEvent()));
const quick = {work: 0.2};

describe('the likelihood', () => {
  test('is lowest in the pixel that holds the preferred reconstruction, at every resolution', () => {
    const truth = vectorOf(toEquatorial({zenith: 1.2217, azimuth: 2.4435}, 60389.26061921296));
    expect(angleBetween(truth, model.direction)).toBeLessThan(1e-9);
    const fits = Array.from({length: 768}, (_, index) => fitPixel(model, 8, index, quick).llh);
    expect(fits.indexOf(Math.min(...fits))).toBe(pixelAt(8, truth));
    const best = pixelAt(512, truth);
    expect(fitPixel(model, 512, best, quick).llh).toBeLessThan(Math.min(...fits));
    expect(fitPixel(model, 512, best, quick).llh).toBeCloseTo(812.5, 0);
  });

  test('grows as the square of the angle over the stated error, along each axis', () => {
    const {ra, dec} = directionOf(model.direction);
    const at = (dRa: number, dDec: number): number =>
      directionTerm(model, vectorOf({ra: ra + dRa, dec: dec + dDec})) - directionTerm(model, model.direction);
    expect(at(0, model.sigmaNorth)).toBeCloseTo(0.5, 1);
    expect(at(0, 2 * model.sigmaNorth)).toBeCloseTo(2, 1);
    expect(at(model.sigmaEast / Math.cos(dec), 0)).toBeCloseTo(0.5, 1);
    expect(model.sigmaEast).toBeLessThan(model.sigmaNorth);
  });

  test('does not depend on who evaluates it or when', () => {
    expect(fitPixel(model, 64, 1234, quick)).toEqual(fitPixel(JSON.parse(JSON.stringify(model)), 64, 1234, quick));
  });

  test('is another for another event', () => {
    const other = sampleEvent();
    other.value.data.reco.splinempe.azi = 3.4435;
    const otherModel = scanModel(parseEvent(other));
    expect(angleBetween(otherModel.direction, model.direction)).toBeGreaterThan(0.5);
    expect(fitPixel(otherModel, 8, 100, quick)).not.toEqual(fitPixel(model, 8, 100, quick));
  });

  test('has a minimum somewhere for an event without any reconstruction, elsewhere for another', () => {
    const [a, b] = ['one', 'two'].map((text) => scanModel(parseEvent({time: '2020-01-01 00:00:00', value: {data: [['P', text]]}})));
    expect(a?.source).toBe('digest');
    expect(a?.direction).not.toEqual(b?.direction);
    const at = pixelAt(64, a!.direction);
    expect(fitPixel(a!, 64, at, quick).llh).toBeLessThan(fitPixel(a!, 64, (at + 20_000) % 49_152, quick).llh);
  });

  test('gives an energy near the event’s and a vertex in the detector', () => {
    const fit = fitPixel(model, 64, pixelAt(64, model.direction), {work: 1});
    expect(fit.energyIn / 51_500).toBeCloseTo(1, 1);
    expect(fit.energyTotal).toBeGreaterThan(fit.energyIn);
    for (const [i, value] of fit.vertex.slice(0, 3).entries()) expect(Math.abs(value - model.vertex.position[i]!)).toBeLessThan(30);
  });

  test('a pixel that runs out of time keeps the best so far, or NaN if there is none', () => {
    const none = fitPixel(model, 8, 5, {work: 1, deadlineMs: performance.now() - 1});
    expect(none.llh).toBeNaN();
    const began = performance.now();
    const some = fitPixel(model, 8, 5, {work: 1e6, deadlineMs: began + 20});
    expect(performance.now() - began).toBeLessThan(1000);
    expect(some.llh).toBeGreaterThan(0);
  });

  test('more work takes more evaluations', () => {
    let calls = 0;
    const bowl = (x: Float64Array): number => (calls++, x[0]! ** 2 + x[1]! ** 2);
    for (const budget of [20, 200]) {
      calls = 0;
      minimise(bowl, [1, 1], [0.1, 0.1], budget);
      expect(calls).toBeGreaterThan(budget * 0.8);
      expect(calls).toBeLessThan(budget + 6);
    }
  });
});

test('the minimiser finds the bottom of a curved valley', () => {
  const valley = (x: Float64Array): number => 100 * (x[1]! - x[0]! ** 2) ** 2 + (1 - x[0]!) ** 2;
  const {at, value} = minimise(valley, [-1.2, 1], [0.5, 0.5], 2000);
  expect(value).toBeLessThan(1e-8);
  expect(at[0]).toBeCloseTo(1, 3);
});

const shared = new URL('../../../shared/data/', import.meta.url);
if (!existsSync(shared)) console.warn('skipped: there are no real events in ../shared/data beside the repository');
test.skipIf(!existsSync(shared))(
  'the direction of a real event lies in the pixel where the real scanner found the lowest llh (needs ../shared/data)',
  () => {
    const read = (path: string): string => readFileSync(new URL(path, shared), 'utf8');
    const real = JSON.parse(read('results/run00138632-evt000031747601-nside1-raw-nan.json').replaceAll('NaN', 'null')) as {
      'nside-1': {data: [number, number][]; metadata: {mjd: number}};
    };
    const event = parseEvent(JSON.parse(read('events/138632_31747601.json')));
    const [lowest] = real['nside-1'].data.reduce((best, row) => (row[1] < best[1] ? row : best));
    expect(pixelAt(1, scanModel(event).direction)).toBe(lowest);
    expect(event.mjd).toBeCloseTo(real['nside-1'].metadata.mjd, 9);
  },
);

test.skipIf(!existsSync(shared))('real events of frames only tell run, number, time and direction (needs ../shared/data)', () => {
  const read = (name: string) => parseEvent(JSON.parse(readFileSync(new URL(`events/${name}`, shared), 'utf8')));
  expect(read('event_HESE_2017-11-28.json')).toMatchObject({runId: 130322, eventId: 1414689, mjd: expect.closeTo(58086.45184, 4)});
  expect(read('hese_event_01.json')).toMatchObject({runId: 127907, eventId: 20178442, mjd: expect.closeTo(57517.64354, 4)});
  // The same event tells the same in its frames as in plain text, as far as it is in both.
  const json = JSON.parse(readFileSync(new URL('events/138632_31747601.json', shared), 'utf8')) as {value: {data: unknown}};
  const plain = parseEvent(json);
  const framed = parseEvent({...json, value: {...json.value, data: (json.value.data as {frames: unknown}).frames}});
  expect(framed).toMatchObject({runId: plain.runId, eventId: plain.eventId, mjd: expect.closeTo(plain.mjd, 9)});
  expect(framed.recos[0]?.zenith).toBeCloseTo(plain.recos[0]!.zenith, 4);
  expect(framed.recos[0]?.azimuth).toBeCloseTo(plain.recos[0]!.azimuth, 4);
});
