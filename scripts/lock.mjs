// One bootstrap at a time per thing that it changes. Plain JavaScript: it runs on the system's Node 20, before anything is installed.
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/**
 * Runs `work` while no other process of this machine runs anything under the same `name`; waits for its turn.
 *
 * The lock is a listening socket in Linux's abstract namespace, so it goes with the process, however that ends: it can never be left behind.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} work
 * @param {() => void} [onWait] called once if somebody else holds it
 * @returns {Promise<T>}
 */
export async function withLock(name, work, onWait) {
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 24);
  const path = process.platform === 'linux' ? `\0scanplane-${digest}` : join(tmpdir(), `scanplane-${digest}.lock`);
  let waited = false;
  for (;;) {
    const holders = new Set();
    const server = createServer((socket) => {
      holders.add(socket);
      socket.on('error', () => {}).on('close', () => holders.delete(socket));
    });
    server.listen(path);
    const locked = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (locked) {
      try {
        return await work();
      } finally {
        for (const socket of holders) socket.destroy();
        server.close();
      }
    }
    if (!waited) onWait?.();
    waited = true;
    await released(path);
  }
}

/** Resolves when the holder's end of the connection goes, or at once if nobody answers. */
async function released(path) {
  const socket = connect(path);
  socket.on('error', () => {});
  await once(socket, 'close').catch(() => {});
  // A holder that refuses connections must not make this a busy loop.
  await new Promise((resolve) => setTimeout(resolve, 50));
}
