import {describe, expect, test} from 'vitest';
import {EventError, parseEvent} from '../../examples/scanner/event.ts';
import {readFrames} from '../../examples/scanner/frames.ts';
import {encodedFrame, sampleEvent} from './sample-events.ts';

describe('an event of the 2023a layout', () => {
  test('tells its run, number, kind, time, energy and what it saw', () => {
    expect(parseEvent(sampleEvent())).toMatchObject({
      runId: 999001,
      eventId: 42,
      eventType: 'neutrino',
      energy: 51500,
      charge: 1250.5,
      channels: 120,
    });
    expect(parseEvent(sampleEvent()).mjd).toBeCloseTo(60389.26061921296, 8);
  });

  test('gives the best reconstruction first, with its errors in radians on the sky', () => {
    const {recos} = parseEvent(sampleEvent());
    expect(recos.map((r) => r.name)).toEqual(['splinempe', 'l2_online_bestfit', 'spefit2']);
    expect(recos[0]).toMatchObject({zenith: 1.2217, azimuth: 2.4435, sigmaZenith: 0.0065, llh: 812.5});
    expect(recos[0]?.sigmaAzimuth).toBeCloseTo(0.0052 * Math.sin(1.2217), 12);
  });

  test('passes over a fit that failed or has no direction', () => {
    const event = sampleEvent();
    event.value.data.reco.splinempe.fit_stat = 20;
    event.value.data.reco.l2_online_bestfit.azi = null;
    expect(parseEvent(event).recos.map((r) => r.name)).toEqual(['spefit2']);
  });

  test('always has a kind, since a report without one is refused', () => {
    const event = sampleEvent();
    delete event.value.streams;
    event.value.zmqnotify = {topics: 'heseEvent'};
    expect(parseEvent(event).eventType).toBe('heseEvent');
    delete event.value.zmqnotify;
    expect(parseEvent(event).eventType).toBe('realtimeEventData');
    delete event.varname;
    expect(parseEvent(event).eventType).toBe('unknown');
  });
});

describe('an event of encoded frames only', () => {
  const fits = [
    {name: 'HESE_CascadeLlhVertexFit', zenith: 0.5, azimuth: 0.6, position: [1, 2, 3], energy: 43_210} as const,
    {name: 'OnlineL2_SplineMPE', zenith: 2.634, azimuth: 1.0157, position: [181.8, -17, 109.4]} as const,
  ];

  for (const isText of [false, true]) {
    test(`tells run, number and time, and its fits, from frames as Python ${isText ? 3 : 2} pickles them`, () => {
      const data = [
        ['G', 'unread'],
        ['P', encodedFrame(130322, 1414689, 2017, 286_905_000_000_000_000n, fits, isText)],
      ];
      const event = parseEvent({time: '2017-11-29 10:52:14', value: {data}, varname: 'heseEvent16Data'});
      expect(event).toMatchObject({runId: 130322, eventId: 1414689, eventType: 'heseEvent16Data', energy: 43_210});
      expect(event.mjd).toBeCloseTo(57754 + 286905 * (100_000 / 86_400) * 0.001, 6);
      expect(event.recos[0]).toEqual({name: 'OnlineL2_SplineMPE', zenith: 2.634, azimuth: 1.0157});
      expect(event.vertex).toEqual({position: [181.8, -17, 109.4], time: 9700});
    });
  }

  test('can still be scanned when its frames cannot be read', () => {
    const event = parseEvent({time: '2017-11-29 10:52:14', value: {data: [['P', 'no frame'], ['Q', 7], 'nonsense']}});
    expect(event).toMatchObject({runId: 0, eventId: 0, recos: []});
    expect(event.mjd).toBeCloseTo(58086.45294, 4);
  });

  test('a frame cut off anywhere is left out without a throw', () => {
    const whole = Buffer.from(encodedFrame(1, 2, 2020, 1n, fits, false), 'base64');
    for (let end = 0; end < whole.length; end += 7) readFrames([['P', whole.subarray(0, end).toString('base64')]]);
    expect(readFrames('no list')).toEqual({particles: []});
  });
});

test('what is no event is refused with the reason', () => {
  for (const wrong of [null, 5, [], {}, {a: 22}, {value: {}}, {value: {data: 'x'}}]) expect(() => parseEvent(wrong)).toThrow(EventError);
  expect(() => parseEvent("use 'i3_event_id'")).toThrow(/it is a text/);
});

test('the digest follows the event’s data and nothing else', () => {
  const [a, b, c] = [sampleEvent(), sampleEvent(), sampleEvent()];
  b.insert_time = 'later';
  c.value.data.qtot += 1;
  expect(parseEvent(b).digest).toBe(parseEvent(a).digest);
  expect(parseEvent(c).digest).not.toBe(parseEvent(a).digest);
});
