import {describe, expect, test} from 'vitest';
import {newRequestId, REQUEST_ID} from '../../../src/schema/ids.ts';
import {jobIdsOf, NamedJobIds, RandomJobIds, seededDraw} from '../../../src/specs/job-ids.ts';

describe('4.9 ids', () => {
  test('case 94: ids of five characters do not run out', () => {
    const ids = new RandomJobIds(seededDraw('case 94'), {length: 5, draws: 3});
    const drawn = Array.from({length: 101}, () => ids.next());
    for (const id of drawn) expect(id).toMatch(/^[a-zA-Z0-9]{5}$/);
    expect(new Set(drawn).size).toBe(101);
  });

  test('case 95: there are 62 ids of one character, and after them an error', () => {
    const ids = new RandomJobIds(seededDraw('case 95'), {length: 1, draws: 10_000});
    expect(new Set(Array.from({length: 62}, () => ids.next())).size).toBe(62);
    expect(() => ids.next()).toThrow(
      expect.objectContaining({code: 'too_large', message: expect.stringContaining('cannot generate a unique job id')}),
    );
  });

  test('the ids of jobs have four characters and depend on nothing but the request', () => {
    const draw = (requestId: string): string[] => {
      const ids = jobIdsOf(requestId);
      return Array.from({length: 5000}, () => ids.next('any'));
    };
    const drawn = draw('r1');
    expect(new Set(drawn).size).toBe(5000);
    for (const id of drawn) expect(id).toMatch(/^[a-zA-Z0-9]{4}$/);
    expect(draw('r1')).toEqual(drawn);
    expect(draw('r2')).not.toEqual(drawn);
  });

  test('ids can be names: with a number for expanded nodes and for names that are taken', () => {
    const ids = new NamedJobIds();
    const next = (name: string, instance?: number): string => ids.next(name, instance);
    expect([next('server'), next('workers', 1), next('workers', 2)]).toEqual(['server', 'workers-1', 'workers-2']);
    expect([next('server'), next('server'), next('workers', 1), next('workers')]).toEqual(['server-2', 'server-3', 'workers-3', 'workers']);
  });
});

describe('0.2 request ids', () => {
  const NOW = Date.parse('2026-05-04T03:02:01Z');

  test('a request id has 20 digits, which sort by time', () => {
    const ids = [NOW, NOW + 1000, NOW + 60_000, NOW + 86_400_000 * 300].map(newRequestId);
    for (const id of ids) expect(id).toMatch(REQUEST_ID);
    expect(ids.toSorted()).toEqual(ids);
    const seconds = Number(BigInt(Number.parseInt(ids[0]?.slice(0, 7) ?? '', 32)) >> 3n);
    expect(seconds).toBe(NOW / 1000);
  });

  test('ids of one process sort by creation and never repeat, even when the clock goes back', () => {
    const later = NOW + 86_400_000 * 400;
    const ids = [
      ...Array.from({length: 10_000}, () => newRequestId(later)),
      newRequestId(later - 5000),
      newRequestId(later + 1000),
      newRequestId(later),
    ];
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
