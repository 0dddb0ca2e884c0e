import {GenericContainer, getContainerRuntimeClient, Wait} from 'testcontainers';
import {ETCD_IMAGE} from '../../scripts/get-etcd.mjs';
import type {TestEtcd} from './etcd.ts';

const INSIDE = 'http://127.0.0.1:2379';

/** etcd in a container, for machines that have a Docker engine and no etcd. `args` as for the binary; `https` is not offered here. */
export async function startEtcdContainer(port: number, args: readonly string[]): Promise<TestEtcd> {
  const serve = ['etcd', '--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', INSIDE, '--log-level', 'error', ...args];
  const started = await new GenericContainer(ETCD_IMAGE)
    .withCommand(serve)
    .withExposedPorts({container: 2379, host: port}) // fixed, so that a restart keeps the address
    .withWaitStrategy(Wait.forListeningPorts())
    .withAutoRemove(false)
    .start();
  const {container: runtime} = await getContainerRuntimeClient();
  const container = runtime.getById(started.getId());
  const {State} = await container.inspect();

  const kill = async (): Promise<void> => {
    await container.unpause().catch(() => undefined);
    await container.kill({signal: 'SIGKILL'}).catch(() => undefined); // not running is as good
    await container.wait({condition: 'not-running'});
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    pid: State.Pid,
    etcdctl: async (command, input) => {
      const line = ['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints', INSIDE, ...command];
      const piped = input === undefined ? line : ['sh', '-c', 'printf %s "$0" | "$@"', input, ...line];
      const {exitCode, stdout, stderr} = await started.exec(piped);
      if (exitCode !== 0) throw new Error(`etcdctl failed: ${stderr}`);
      return stdout;
    },
    signal: (signal) => void container.kill({signal}).catch(() => undefined),
    kill,
    restart: async () => {
      await kill();
      await container.start();
      await untilHealthy(port);
    },
    restore: async () => {
      throw new Error('this test needs an etcd binary; run it with `npm test`, which gets one where it can');
    },
    stop: async () => {
      await started.stop({remove: true, removeVolumes: true});
    },
  };
}

async function untilHealthy(port: number): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    const healthy = await fetch(`http://127.0.0.1:${port}/health`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('etcd did not start in its container');
}
