import {expect, test} from 'vitest';
import {LeaseTable} from '../../examples/scanner/lease-table.ts';
import type {Pixel} from '../../examples/scanner/plan.ts';

const pixels = (n: number): Pixel[] => Array.from({length: n}, (_, i) => [8, i]);
const [a, b] = [{}, {}];

function tableOf(n: number): LeaseTable {
  const table = new LeaseTable(1000);
  table.add(pixels(n));
  return table;
}

test('pixels go out in order, each to one holder', () => {
  const table = tableOf(5);
  expect(table.lease(a, 2, 0)?.pixels).toEqual(pixels(2));
  expect(table.lease(b, 9, 0)?.pixels).toEqual(pixels(5).slice(2));
  expect(table.lease(a, 1, 0)).toBeUndefined();
});

test('what a holder has not answered when it goes away is handed out first', () => {
  const table = tableOf(6);
  table.lease(a, 2, 0);
  table.lease(b, 2, 0);
  expect(table.release(a)).toBe(2);
  expect(table.lease(b, 3, 0)?.pixels).toEqual([
    [8, 0],
    [8, 1],
    [8, 4],
  ]);
});

test('what is not answered in time is handed out again', () => {
  const table = tableOf(2);
  table.lease(a, 2, 0);
  expect(table.expire(999)).toBe(0);
  expect(table.expire(1000)).toBe(2);
  expect(table.lease(b, 2, 1000)?.pixels).toEqual(pixels(2));
});

test('a pixel that was answered late is not handed out again', () => {
  const table = tableOf(2);
  const lease = table.lease(a, 2, 0)!;
  table.expire(5000);
  table.settle([8, 0]);
  table.close(lease.id);
  expect(table.startOf(lease.id)).toBeUndefined();
  expect(table.lease(b, 2, 5000)?.pixels).toEqual([[8, 1]]);
});

test('an answer that leaves pixels out gives them back', () => {
  const table = tableOf(3);
  const lease = table.lease(a, 3, 7)!;
  expect(table.startOf(lease.id)).toBe(7);
  table.settle([8, 1]);
  table.close(lease.id);
  expect(table.waiting).toBe(2);
  expect(table.lease(b, 3, 8)?.pixels).toEqual([
    [8, 0],
    [8, 2],
  ]);
});

test('pixels of different resolutions with the same number are different', () => {
  const table = new LeaseTable(1000);
  table.add([
    [8, 5],
    [64, 5],
  ]);
  table.settle([8, 5]);
  expect(table.lease(a, 9, 0)?.pixels).toEqual([[64, 5]]);
});
