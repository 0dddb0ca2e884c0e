import type {EventEmitter} from 'node:events';
import {expect, test} from 'vitest';
import type {Database} from '../../src/store/open.ts';
import type {Compare} from '../../src/store/store.ts';
import type {WatchResponse} from '../../src/store/wire/watch-messages.ts';
import type {Fault} from '../support/simulation/nemesis.ts';
import {scansUnder} from '../support/simulation/sky-scan-course.ts';

// A simulation that finds nothing proves something only if it finds what is there.

/** The first complaint that contains `words`, with the seeds from 1 on. */
async function firstComplaint(faults: readonly Fault[], spoil: (database: Database) => void, words = '', most = 200): Promise<string> {
  for (let seed = 1; seed <= most; seed += 1) {
    const complaint = await scansUnder({seed, faults, spoil}).then(
      () => undefined,
      (err: unknown) => String((err as Error).cause ?? err),
    );
    if (complaint?.includes(words) === true) return complaint;
  }
  return 'none';
}

test('writes without a fence are found out', async () => {
  const isFence = (compare: Compare): boolean => 'createRevision' in compare && compare.createRevision > 0;
  const unfenced = ({store}: Database): void => {
    const commit = store.commit.bind(store);
    store.commit = async ({compares, ops}) => {
      const fenced = await commit({compares, ops});
      if (fenced.ok || !compares.some(isFence)) return fenced;
      const result = await commit({compares: compares.filter((compare) => !isFence(compare)), ops});
      return result.ok ? result : fenced; // Who else refused it is to be known.
    };
  };
  // Not that something never came to its end: that jobs ran twice at once, or changed what was over.
  expect(await firstComplaint(['pause', 'blackhole', 'lost lease', 'deleted owner'], unfenced, 'expected [')).not.toBe('none');
});

/** Lets `change` have what a stream brings; `undefined`: it never came. */
function intercept(stream: object, change: (item: object) => object | undefined): void {
  const emitter = stream as EventEmitter;
  const emit = emitter.emit.bind(emitter);
  emitter.emit = (event, item: object) => {
    const changed = event === 'data' ? change(item) : item;
    return changed !== undefined && emit(event, changed);
  };
}

test('a process that takes its lease for alive when it is gone is found out', async () => {
  const credulous = ({members}: Database): void => {
    for (const member of members.members) {
      const keepAlive = member.keepAlive.bind(member);
      member.keepAlive = async () => {
        const stream = await keepAlive();
        intercept(stream, (reply) => ({...reply, TTL: '2'}));
        return stream;
      };
    }
  };
  expect(await firstComplaint(['lost lease'], credulous)).not.toBe('none');
});

test('a watch that loses events now and then is found out', async () => {
  const forgetful = ({members}: Database): void => {
    for (const member of members.members) {
      const watch = member.watch.bind(member);
      member.watch = async () => {
        const stream = await watch();
        intercept(stream, (response) => ((response as WatchResponse).events.length > 0 && Math.random() < 0.05 ? undefined : response));
        return stream;
      };
    }
  };
  expect(await firstComplaint(['cut'], forgetful)).not.toBe('none');
});
