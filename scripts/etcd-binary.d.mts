export function etcdCacheDir(): string;
export function findEtcd(): {etcd: string; etcdctl: string} | undefined;
