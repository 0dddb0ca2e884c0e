import {test} from 'vitest';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';
import {scansUnder} from '../support/simulation/sky-scan-course.ts';

test('ten thousand scans end though everything befalls replicas and etcd that can, users included', async () => {
  for (let seed = 1001; seed <= 2000; seed += 1) await scansUnder({seed, faults: ALL_FAULTS, withUsers: seed % 2 === 0});
});
