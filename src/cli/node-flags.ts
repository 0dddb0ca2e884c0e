/**
 * Flags of Node for a process of ours. Room for 8 MiB of young objects from the start, instead of 1 MiB that grows with what survives: most of what a
 * request allocates is garbage before anybody looks, and yet a look is short. Node's own code on large pages where the system has them, without a word where
 * not. Buffers count with everything else, instead of calling for a full collection whenever they have grown by 64 MiB: under load that was a pause of 60 ms
 * every few seconds. And no allocation is made among old objects because those that were made there first lived on: in most processes these were the
 * listeners of the first connections, and from then on every request was kept, through its listeners, until the next full collection: a quarter more
 * processor time per POST. Figures: docs/performance.md.
 */
export const NODE_FLAGS: readonly string[] = [
  '--min-semi-space-size=8',
  '--max-semi-space-size=8',
  '--use-largepages=silent',
  '--external-memory-accounted-in-global-limit',
  '--no-allocation-site-pretenuring',
];
