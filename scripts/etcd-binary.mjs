// Where etcd and etcdctl are. Plain JavaScript: it runs on the system's Node 20, before anything is installed.
import {accessSync, constants} from 'node:fs';
import {homedir} from 'node:os';
import {delimiter, join} from 'node:path';

/** The user's cache folder for unpacked binaries. */
export function etcdCacheDir() {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'scanplane', 'etcd', 'bin');
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Finds both binaries: on the PATH, else in the cache folder.
 *
 * @returns {{etcd: string, etcdctl: string} | undefined}
 */
export function findEtcd() {
  const folders = [...(process.env.PATH || '').split(delimiter).filter(Boolean), etcdCacheDir()];
  for (const folder of folders) {
    const etcd = join(folder, 'etcd');
    const etcdctl = join(folder, 'etcdctl');
    if (executable(etcd) && executable(etcdctl)) return {etcd, etcdctl};
  }
  return undefined;
}
