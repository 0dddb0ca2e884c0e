import {expect, test} from 'vitest';
import {launchedJob} from '../../src/api/k8s-job/launched-job.ts';
import {k8sJobSettings, loadConfig} from '../../src/config.ts';
import type {Scan} from '../../src/model/manifest.ts';
import {JobTable} from '../../src/model/job-table.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import type {Cache} from '../../src/store/cache.ts';
import {aJob, aScan, aSpec, aTry, entry} from '../support/builders.ts';

const given = k8sJobSettings(
  loadConfig({SCANPLANE_K8S_NAMESPACE: 'ns', SCANPLANE_K8S_SKYDRIVER_IMAGE: 'sky:1', SCANPLANE_SCANNER_ADDRESS: 'http://a'}),
);
const cluster = (engine: string, settings: object) => entry({engine, capacity: 1, settings});
const cache = {
  clusters: new Map([
    [
      'k8s',
      cluster('kubernetes', {
        image: 'scan:${docker_tag}',
        scanner_server: ['server'],
        worker: ['worker'],
        pod: {spec: {nodeSelector: {disk: 'ssd'}}},
      }),
    ],
    ['osg', cluster('external', {server_cluster: 'k8s'})],
    ['foreign', cluster('external', {})],
    ['local', cluster('process', {})],
  ]),
  meta: entry({cluster_id: 'c1'}),
} as unknown as Cache;

// oxlint-disable-next-line typescript/no-explicit-any -- a manifest is read as it is written
function shown(on: string, more: Partial<ScanRecord> = {}): any {
  const {admission: _, ...waiting} = aScan({spec: entry(aSpec({docker_tag: '3.4.0', request_clusters: [[on, 2]]}))});
  return launchedJob({...waiting, ...more} as Scan, cache, given);
}

const names = ({spec}: {spec: {template: {spec: {initContainers?: {name: string}[]; containers: {name: string}[]}}}}): string[] =>
  [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers].map(({name}) => name);

test('where workers are our own Jobs the server has no containers beside it', () => {
  const job = shown('k8s');
  expect(names(job)).toEqual(['main']);
  expect(job.spec).toMatchObject({parallelism: 1, template: {spec: {nodeSelector: {disk: 'ssd'}, containers: [{image: 'scan:3.4.0'}]}}});
  expect(job.metadata).toMatchObject({namespace: 'ns', labels: {'scanplane/job': 'server', 'scanplane/try': '1'}});
});

test('where they come from outside it has those that hand over', () => {
  expect(names(shown('osg'))).toEqual(['init-ewms-s1', 'skyscan-server-s1', 'sidecar-s3-s1']);
  expect(shown('osg').metadata.annotations).not.toHaveProperty('scanplane/fence');
});

test('after its launch it is that of its newest try, where that was', () => {
  const jobs = JobTable.of([['server', entry(aJob({cluster: 'k8s', tries: [aTry({try: 3})], tries_total: 3}))]]);
  expect(shown('osg', {jobs, state: entry({name: 'COMPLETE', attempt: 1, external: true})}).metadata.labels).toMatchObject({'scanplane/try': '3'});
  expect(names(shown('local', {jobs}))).toEqual(['main']);
});

test('no Job of ours is shown where none is made', () => {
  for (const on of ['foreign', 'local', 'nowhere']) expect(shown(on)).toBeUndefined();
  expect(shown('osg', {ewms: entry({workflow_id: 'W', ewms_address: 'a'})})).toBeUndefined();
});
