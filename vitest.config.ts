import {defineConfig} from 'vitest/config';

/**
 * Suffix → what a test needs: `x.test.ts` nothing, `x.etcd.test.ts` a real etcd, `x.long.test.ts` minutes, `x.k8s.test.ts` a Kubernetes,
 * `x.docker.test.ts` a Docker engine.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    // One more than CI has cores: much of the time a test waits, for a lease to expire or a process to end.
    maxWorkers: 3,
    // Test files that are told to share one etcd take turns.
    fileParallelism: !process.env['SCANPLANE_TEST_ETCD'],
    // Of CI see test/support/eventually.ts.
    testTimeout: process.env['CI'] ? 90_000 : 30_000,
    hookTimeout: 120_000,
    // On a machine that others use, too. The sum at the end names each that needed it.
    retry: process.env['CI'] ? 1 : 0,
    projects: [
      {extends: true, test: {name: 'unit', include: ['test/**/*.test.ts'], exclude: ['**/*.{etcd,long,k8s,docker}.test.ts']}},
      {extends: true, test: {name: 'etcd', include: ['test/**/*.etcd.test.ts']}},
      {
        extends: true,
        test: {name: 'long', include: ['test/**/*.long.test.ts'], testTimeout: 1_500_000, fileParallelism: false},
      },
      {
        extends: true,
        test: {name: 'docker', include: ['test/**/*.docker.test.ts'], testTimeout: 1_500_000, hookTimeout: 1_500_000, fileParallelism: false},
      },
      // One cluster for all, and some tests stop parts of it: the files take turns.
      {
        extends: true,
        test: {name: 'k8s', include: ['test/**/*.k8s.test.ts'], testTimeout: 300_000, hookTimeout: 180_000, fileParallelism: false},
      },
    ],
  },
});
