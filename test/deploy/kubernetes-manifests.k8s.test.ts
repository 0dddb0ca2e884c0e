import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative} from 'node:path';
import {expect, onTestFinished} from 'vitest';
import {kustomize} from '../support/kubernetes/kustomize.ts';
import {test} from '../support/kubernetes/rig.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy', 'kubernetes');

/** What every folder makes. */
const KINDS = [
  'ConfigMap',
  'CronJob',
  'Deployment',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'Role',
  'RoleBinding',
  'Service',
  'ServiceAccount',
  'StatefulSet',
];

test.for([
  ['base', ['PodDisruptionBudget']],
  ['overlays/single-node', []],
  ['overlays/highly-available', ['PodDisruptionBudget']],
  ['overlays/kubernetes-1.20', ['PodDisruptionBudget']],
] as const)('%s is applied without a warning, and an example of limits with it', async ([folder, more], {own}) => {
  const work = await mkdtemp(join(tmpdir(), 'scanplane-kustomize-'));
  onTestFinished(() => rm(work, {recursive: true, force: true}));
  const namespace = `${own.namespace}-${folder.replace(/.*\//, '').replace('.', '-')}`;
  await own.kubectl(['create', 'namespace', namespace]);
  onTestFinished(async () => void (await own.kubectl(['delete', 'namespace', namespace, '--wait=false'])));
  // Nothing has to run of it.
  await own.kubectl(['--namespace', namespace, 'create', 'quota', 'nothing', '--hard=pods=0']);
  const from = (path: string): string => relative(work, join(DEPLOY, path));
  const components = [from('components/kubernetes-1.20'), from('components/quota')];
  const kustomization = {apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', namespace, resources: [from(folder)], components};
  await writeFile(join(work, 'kustomization.yaml'), JSON.stringify(kustomization));
  // This kubectl asks the server for its schema, and refuses fields which are not in it.
  await own.kubectl(['--namespace', namespace, 'apply', '--warnings-as-errors', '--validate', '-f', '-'], await kustomize(work));
  const listed = await own.kubectl(['--namespace', namespace, 'get', [...KINDS, ...more, 'ResourceQuota', 'LimitRange'].join(), '-o', 'name']);
  for (const kind of [...KINDS, ...more]) expect(listed).toMatch(new RegExp(`^${kind.toLowerCase()}[./].*scanplane`, 'm'));
  // Policies are only looked at: no network plugin of the rig enforces them.
  expect(listed.split('\n').filter((name) => name.startsWith('networkpolicy'))).toHaveLength(7);
});

test('without the component of 1.20 an overlay asks for what newer servers have', async ({own}) => {
  const newer = await kustomize(join(DEPLOY, 'overlays/highly-available'));
  expect(newer).toContain('apiVersion: policy/v1\n');
  await expect(own.kubectl(['apply', '--dry-run=server', '-f', '-'], newer)).rejects.toThrow(
    /no matches for kind "PodDisruptionBudget" in version "policy\/v1"/,
  );
});
