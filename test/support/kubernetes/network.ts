/** The rig's own network: it has no way out, so these addresses meet no others, and every run has the same. */
export const NETWORK = {
  /** The node. The API server and servers of the test process listen here, and pods reach them. */
  address: '10.222.0.1',
  services: '10.96.0.0/16',
  kubernetesService: '10.96.0.1',
  pods: '10.244.0.0/16',
  apiPort: 6443,
  etcdPort: 12379,
  etcdPeerPort: 12380,
} as const;

export const API_SERVER = `https://${NETWORK.address}:${NETWORK.apiPort}`;
export const NODE_NAME = 'node-1';
