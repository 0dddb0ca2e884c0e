import {seededRandom} from '../seeded-random.ts';
import {installVirtualHost} from './virtual-host.ts';
import {VirtualTime} from './virtual-time.ts';

/** Runs `body` in virtual time, from its beginning; all chance comes from `seed`. Nothing that was begun in it goes on afterwards. */
export async function inVirtualTime<T>(seed: number, body: (time: VirtualTime, random: () => number) => Promise<T>): Promise<T> {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const restore = installVirtualHost(time, random);
  try {
    return await time.run(() => body(time, random));
  } finally {
    restore();
  }
}
