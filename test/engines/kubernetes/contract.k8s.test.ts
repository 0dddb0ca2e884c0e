import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe} from 'vitest';
import {describeEngine} from '../../contract/engine.ts';
import {whyNoCluster} from '../../support/kubernetes/rig.ts';
import {TestNamespace} from './harness.ts';

// Its folder on the node is root's, and so are the jobs that share it.
const AS_ROOT = {spec: {securityContext: {runAsNonRoot: false, runAsUser: 0, runAsGroup: 0}}};

describe.skipIf(whyNoCluster() !== undefined)('on a cluster', () => {
  describeEngine(
    'kubernetes',
    async () => {
      const namespace = await TestNamespace.open();
      const settings = {shared_volume: {hostPath: {path: join(tmpdir(), namespace.name), type: 'DirectoryOrCreate'}}, pod: AS_ROOT};
      return {engine: namespace.engine(settings), sibling: namespace.engine(settings), dispose: () => namespace.dispose()};
    },
    {
      ...{hasFiles: false, hasTwoStreams: false, hasIndexes: false, hasOrphans: false, canKillItself: false, isShared: false, knowsEveryEnd: false},
      ...{timeoutMs: 30_000, endsWithinMs: 120_000},
    },
  );
});
