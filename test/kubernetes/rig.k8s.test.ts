import {once} from 'node:events';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {expect, onTestFinished} from 'vitest';
import {eventually} from '../support/eventually.ts';
import {runJob, untilJobEnds} from '../support/kubernetes/jobs.ts';
import {test} from '../support/kubernetes/rig.ts';

test('a Job of a shell command runs to its end, and what it wrote can be read', async ({cluster}) => {
  await runJob(cluster, 'hello', {command: ['sh', '-c', 'echo hello from $HOSTNAME']});
  expect(await untilJobEnds(cluster, 'hello')).toBe('Complete');
  expect(await cluster.kubectl(['logs', 'job/hello'])).toMatch(/^hello from hello-/);
});

test('a pod reaches a server of the test process by HTTP', async ({cluster, skip}) => {
  const {address} = cluster;
  if (address === undefined) return skip('SCANPLANE_TEST_ADDRESS does not say where pods reach this machine');
  const server = createServer((request, response) => response.end(`you asked for ${request.url}`)).listen(0, address);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const url = `http://${address}:${(server.address() as AddressInfo).port}/greeting`;
  await runJob(cluster, 'client', {command: ['wget', '-q', '-O', '-', url]});
  expect(await untilJobEnds(cluster, 'client')).toBe('Complete');
  expect(await cluster.kubectl(['logs', 'job/client'])).toBe('you asked for /greeting');
});

test('a pod reaches a server on this machine’s loopback that was exposed', async ({cluster, skip}) => {
  if (cluster.address === undefined) return skip('SCANPLANE_TEST_ADDRESS does not say where pods reach this machine');
  const server = createServer((_request, response) => response.end('from loopback')).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const host = await cluster.expose((server.address() as AddressInfo).port);
  await runJob(cluster, 'visitor', {command: ['wget', '-q', '-O', '-', `http://${host}/`]});
  expect(await untilJobEnds(cluster, 'visitor')).toBe('Complete');
  expect(await cluster.kubectl(['logs', 'job/visitor'])).toBe('from loopback');
});

test('Jobs are still there after the API server was stopped and started', async ({own}) => {
  await runJob(own, 'before', {command: ['true']});
  await untilJobEnds(own, 'before');
  const list = async (): Promise<string> =>
    own.kubectl(['get', 'jobs', '-o', 'jsonpath={range .items[*]}{.metadata.uid} {.metadata.name}{"\\n"}{end}']);
  const before = await list();
  expect(before).toContain(' before\n');
  await own.stopApiServer();
  await expect(list()).rejects.toThrow(/refused|connect/);
  await own.startApiServer();
  expect(await list()).toBe(before);
  await runJob(own, 'after', {command: ['true']});
  expect(await untilJobEnds(own, 'after')).toBe('Complete');
});

test('a container above its memory limit is killed, and its pod says OOMKilled', async ({cluster}) => {
  // `tail` keeps the last line, and /dev/zero never ends one.
  await runJob(cluster, 'hog', {command: ['tail', '/dev/zero'], limits: {memory: '32Mi'}});
  expect(await untilJobEnds(cluster, 'hog')).toBe('Failed');
  const reason = await cluster.kubectl([
    ...['get', 'pods', '--selector', 'job-name=hog'],
    ...['-o', 'jsonpath={.items[*].status.containerStatuses[*].state.terminated.reason}'],
  ]);
  expect(reason).toBe('OOMKilled');
});

test('a pod reaches another one, and the API server, by the addresses of Services', async ({cluster}) => {
  await cluster.apply(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {name: 'web', labels: {app: 'web'}},
      spec: {
        containers: [
          {
            name: 'web',
            image: cluster.busybox,
            command: ['sh', '-c', 'echo served > /tmp/index.html; exec httpd -f -p 8080 -h /tmp'],
            readinessProbe: {httpGet: {path: '/index.html', port: 8080}, periodSeconds: 1},
          },
        ],
      },
    },
    {apiVersion: 'v1', kind: 'Service', metadata: {name: 'web'}, spec: {selector: {app: 'web'}, ports: [{port: 80, targetPort: 8080}]}},
  );
  await eventually(async () => (await cluster.kubectl(['get', 'endpoints', 'web', '-o', 'jsonpath={.subsets[*].addresses[*].ip}'])) !== '', {
    timeoutMs: 60_000,
    everyMs: 250,
  });
  const address = await cluster.kubectl(['get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}']);
  // The rules follow the endpoints after a moment.
  const script = `until timeout 2 wget -q -O - http://${address}/index.html; do sleep 1; done
    nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT < /dev/null && echo reached`;
  await runJob(cluster, 'caller', {command: ['sh', '-c', script]});
  expect(await untilJobEnds(cluster, 'caller')).toBe('Complete');
  expect(await cluster.kubectl(['logs', 'job/caller'])).toBe('served\nreached\n');
});

test('a pod runs this project’s code on Node, as a user without rights', async ({own}) => {
  const script = `import {randomInt} from 'node:crypto'; import {uptime} from 'node:os'; import Koa from 'koa';
    const {ControlPlaneError} = await import('/app/src/lib/errors.ts');
    console.log(process.getuid(), typeof Koa, new ControlPlaneError('invalid', 'x').message, randomInt(1), uptime() > 0);`;
  await runJob(own, 'node', {image: await own.nodeImage(), command: ['node', '--input-type=module', '-e', script]});
  expect(await untilJobEnds(own, 'node')).toBe('Complete');
  expect(await own.kubectl(['logs', 'job/node'])).toBe('65532 function [invalid] x 0 true\n');
});
