import {expect} from 'vitest';
import {untilJobEnds} from '../support/kubernetes/jobs.ts';
import {test} from '../support/kubernetes/rig.ts';

/** What the strictest of the pod security standards asks for, and a root file system that cannot be written. */
const RESTRICTED = {
  allowPrivilegeEscalation: false,
  capabilities: {drop: ['ALL']},
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: {type: 'RuntimeDefault'},
};

test('the images of a deployment run in pods that may do nothing: as no root, on a file system that cannot be written', async ({own}) => {
  const [scanplane, scanner, etcd] = [await own.scanplaneImage(), await own.scannerImage(), await own.etcdImage()];
  const containers = {
    token: {image: scanplane, args: ['token', 'ada', 'user']},
    lint: {image: scanplane, args: ['lint', '--help']},
    scan: {image: scanner, command: ['node', '/app/examples/scanner/server.ts']},
    etcd: {image: etcd, args: ['etcd', '--version']},
    etcdctl: {image: etcd, args: ['sh', '-c', 'id -u; etcdctl version']},
  };
  for (const [name, container] of Object.entries(containers)) {
    const spec = {restartPolicy: 'Never', containers: [{name, ...container, securityContext: RESTRICTED}]};
    await own.apply({apiVersion: 'batch/v1', kind: 'Job', metadata: {name}, spec: {backoffLimit: 0, template: {spec}}});
  }
  const ends = await Promise.all(Object.keys(containers).map(async (name) => [name, await untilJobEnds(own, name)] as const));
  const said = Object.fromEntries(
    await Promise.all(Object.keys(containers).map(async (name) => [name, await own.kubectl(['logs', `job/${name}`])] as const)),
  );
  // The scanner is not told what to scan, and says so.
  expect(Object.fromEntries(ends)).toEqual({token: 'Complete', lint: 'Complete', scan: 'Failed', etcd: 'Complete', etcdctl: 'Complete'});
  expect(said).toMatchObject({
    token: expect.stringContaining('"name":"ada"'),
    scan: expect.stringContaining('--real-event'),
    etcd: expect.stringContaining('etcd Version: 3.'),
    etcdctl: expect.stringMatching(/^65532\netcdctl version: 3\./),
  });
});
