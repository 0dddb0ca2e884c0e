export const ETCD_IMAGE: string;
export const HOW_TO_GET_ETCD: string;
export type Etcd = {readonly kind: 'binary'; readonly etcd: string; readonly etcdctl: string} | {readonly kind: 'container'; readonly image: string};
export function ensureEtcd(say: (line: string) => void): Promise<Etcd>;
