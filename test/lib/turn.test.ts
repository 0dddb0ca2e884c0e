import {expect, test} from 'vitest';
import {ownTurn} from '../../src/lib/turn.ts';

test('of many who wait, one goes on per turn of the event loop, first come, first served', async () => {
  let turn = 0;
  const counting = (): void => {
    turn++;
    immediate = setImmediate(counting);
  };
  let immediate = setImmediate(counting);
  const got: [who: number, turn: number][] = [];
  const slices = async (who: number): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await ownTurn();
      got.push([who, turn]);
    }
  };
  await Promise.all([0, 1, 2, 3].map(slices));
  clearImmediate(immediate);
  expect(got.map(([who]) => who)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
  expect(new Set(got.map(([, at]) => at)).size).toBe(12);
});
