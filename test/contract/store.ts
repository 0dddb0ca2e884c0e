import {describe, test} from 'vitest';
import {batches} from './store/batches.ts';
import {caching} from './store/caching.ts';
import {failures} from './store/failures.ts';
import {leases} from './store/leases.ts';
import {membership} from './store/membership.ts';
import {ownership} from './store/ownership.ts';
import {readsAndWrites} from './store/reads-and-writes.ts';
import {TestBed} from './store/test-bed.ts';
import type {BedTest, WithEtcd} from './store/test-bed.ts';
import {watching} from './store/watching.ts';

const PARTS = [readsAndWrites, failures, leases, ownership, membership, batches, watching, caching] as const;

/**
 * What the control plane relies on of its configuration database, from single transactions to owner keys that expire with their lease: the real store
 * over whatever `withEtcd` gives. Each test finds it empty.
 */
export function describeStore(name: string, withEtcd: WithEtcd, parts: readonly ((test: BedTest) => void)[] = PARTS): void {
  describe(`the store over ${name}`, () => {
    const bedTest: BedTest = (title, body) => {
      test(title, () =>
        withEtcd(async (etcd) => {
          const bed = await TestBed.open(etcd);
          try {
            await body(bed);
          } finally {
            await bed.dispose();
          }
        }),
      );
    };
    for (const part of parts) part(bedTest);
  });
}
