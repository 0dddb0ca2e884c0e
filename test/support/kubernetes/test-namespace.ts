import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import {eventually} from '../eventually.ts';
import {command} from './command.ts';
import type {AddressInfo, Socket} from 'node:net';

/** A cluster, and a namespace in it that is the test file's own. */
export interface TestCluster {
  /** Path of a kubeconfig whose user may do anything. */
  readonly kubeconfig: string;
  readonly namespace: string;
  /** An image with a shell and small tools. */
  readonly busybox: string;
  /** Runs kubectl in the namespace and returns what it printed. @throws CommandError with what it said. */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** Creates or changes what the objects say, in the namespace unless they name another one. */
  apply(...objects: readonly unknown[]): Promise<void>;
  /** Where pods reach this machine; `undefined` for a cluster of the user's, unless `SCANPLANE_TEST_ADDRESS` says it. */
  readonly address: string | undefined;
  /**
   * Lets pods reach a TCP server that listens on this machine's loopback (an etcd, an API under test), until the test file ends.
   *
   * @returns `host:port` for pods.
   */
  expose(port: number): Promise<string>;
}

/** Opens a new namespace. `close` removes it with all that is in it, and closes what was exposed. */
export async function openNamespace(
  program: string,
  kubeconfig: string,
  address: string | undefined,
  busybox: string,
): Promise<{cluster: TestCluster; close: () => Promise<void>}> {
  const namespace = `test-${randomBytes(4).toString('hex')}`;
  const kubectl = async (args: readonly string[], input?: string): Promise<string> =>
    command(program, ['--namespace', namespace, ...args], {
      env: {...process.env, KUBECONFIG: kubeconfig},
      timeoutMs: 120_000,
      ...(input === undefined ? {} : {input}),
    });
  await kubectl(['create', 'namespace', namespace]);
  // Pods are refused until it is there.
  await eventually(async () => kubectl(['get', 'serviceaccount', 'default']), {timeoutMs: 30_000, everyMs: 200});
  const doors: {close(): void}[] = [];
  const cluster: TestCluster = {
    kubeconfig,
    namespace,
    busybox,
    address,
    kubectl,
    async apply(...objects) {
      await kubectl(['apply', '-f', '-'], JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
    },
    async expose(port) {
      if (address === undefined) throw new Error('pods do not reach this machine; set SCANPLANE_TEST_ADDRESS');
      const door = await openDoor(address, port);
      doors.push(door);
      return `${address}:${door.port}`;
    },
  };
  return {
    cluster,
    async close() {
      for (const door of doors) door.close();
      // Tests may have left finalizers of theirs on Jobs, and the namespace would wait for whoever removes those.
      await kubectl(['delete', 'namespace', namespace, '--wait=false']);
    },
  };
}

/** A TCP server that hands every connection on to a port of loopback. */
async function openDoor(address: string, to: number): Promise<{readonly port: number; close(): void}> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => void (other.destroySoon(), sockets.delete(one)));
      one.pipe(other);
    }
  });
  server.listen(0, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
