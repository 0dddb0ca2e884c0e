import {expect, test} from 'vitest';
import {engineKey, keepClusterEngines} from '../../src/controllers/cluster-engines.ts';
import type {Engine, JobRef} from '../../src/engines/engine.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {Cluster} from '../../src/schema/cluster.ts';
import type {Cache} from '../../src/store/cache.ts';
import {entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';

const REF: JobRef = {scanId: 's', job: 'j', try: 1};

class ClusterEngine extends FakeEngine {
  readonly cluster: Cluster;
  listener: ((ref: JobRef) => void) | undefined;

  constructor(cluster: Cluster) {
    super();
    this.cluster = cluster;
  }

  override onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void {
    this.listener = listener;
    signal.addEventListener('abort', () => (this.listener = undefined));
  }
}

function kept(): {
  readonly engines: Map<string, Engine>;
  readonly opened: ClusterEngine[];
  readonly heard: JobRef[];
  readonly put: (name: string, cluster: Cluster | undefined) => void;
} {
  const clusters = new Map<string, ReturnType<typeof entry<Cluster>>>();
  let changed: Parameters<Cache['onChange']>[0] = () => {};
  const cache = {clusters, onChange: (listener: typeof changed) => (changed = listener)} as unknown as Cache;
  const [engines, opened, heard] = [new Map<string, Engine>(), [] as ClusterEngine[], [] as JobRef[]];
  const open = (name: string, cluster: Cluster): Engine => {
    if (name === 'odd') throw new Error('no');
    opened.push(new ClusterEngine(cluster));
    return opened.at(-1) as ClusterEngine;
  };
  keepClusterEngines(engines, {cache, open, onChange: (ref) => heard.push(ref), log: silentLog}, new AbortController().signal);
  const put = (name: string, cluster: Cluster | undefined): void => {
    if (cluster === undefined) clusters.delete(name);
    else clusters.set(name, entry(cluster));
    changed([{kind: 'key', key: `/cluster/${name}`, ref: {kind: 'cluster', name}, revision: 1}]);
  };
  return {engines, opened, heard, put};
}

const aCluster = (namespace: string, capacity = 1): Cluster => ({engine: 'kubernetes', capacity, settings: {namespace}});

test('each Kubernetes cluster has an engine of its own, all others share theirs', () => {
  const {engines, opened, heard, put} = kept();
  put('a', aCluster('x'));
  put('b', aCluster('x'));
  put('c', {engine: 'process', capacity: 1, settings: {}});
  expect([...engines.keys()]).toEqual(['kubernetes/a', 'kubernetes/b']);
  expect(engineKey('c', {engine: 'process'})).toBe('process');
  opened[1]?.listener?.(REF);
  expect(heard).toEqual([REF]);
});

test('changed settings make a new engine, and the former one is not listened to any more; another capacity changes nothing', () => {
  const {engines, opened, put} = kept();
  put('a', aCluster('x'));
  put('a', aCluster('x', 9));
  expect(opened).toHaveLength(1);
  put('a', aCluster('y'));
  expect(opened).toHaveLength(2);
  expect(engines.get('kubernetes/a')).toBe(opened[1]);
  expect(opened[0]?.listener).toBeUndefined();
  expect(opened[1]?.listener).toBeDefined();
});

test('the engine of a key that is gone stays, since jobs may run there; one that cannot be opened spoils nothing', () => {
  const {engines, opened, put} = kept();
  put('a', aCluster('x'));
  put('odd', aCluster('x'));
  put('a', undefined);
  put('b', aCluster('x'));
  expect([...engines.keys()]).toEqual(['kubernetes/a', 'kubernetes/b']);
  expect(opened[0]?.listener).toBeDefined();
});
