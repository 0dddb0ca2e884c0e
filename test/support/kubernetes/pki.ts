import {generateKeyPairSync, randomBytes} from 'node:crypto';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {command} from './command.ts';
import {API_SERVER, NETWORK, NODE_NAME} from './network.ts';

/** Who speaks to the API server: the name and groups that its token stands for. */
const USERS = {
  admin: ['admin', 'system:masters'],
  'kube-controller-manager': ['system:kube-controller-manager', ''],
  'kube-scheduler': ['system:kube-scheduler', ''],
  'kube-proxy': ['system:kube-proxy', ''],
  kubelet: [`system:node:${NODE_NAME}`, 'system:nodes'],
} as const satisfies Record<string, readonly [string, string]>;
export type KubeUser = keyof typeof USERS;

/** Certificates: subject, and the extensions that make them usable for one thing. */
const CERTIFICATES = {
  apiserver: [
    '/CN=kube-apiserver',
    'extendedKeyUsage=serverAuth',
    `subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:${NETWORK.address},IP:${NETWORK.kubernetesService}`,
  ],
  'kubelet-client': ['/O=system:masters/CN=apiserver-kubelet-client', 'extendedKeyUsage=clientAuth'],
  kubelet: [`/CN=${NODE_NAME}`, 'extendedKeyUsage=serverAuth', `subjectAltName=DNS:${NODE_NAME},IP:${NETWORK.address}`],
  'front-proxy-client': ['/CN=front-proxy-client', 'extendedKeyUsage=clientAuth'],
} as const;

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Writes keys, certificates, tokens and kubeconfigs into the run's folder: `pki/` and `kubeconfig/`. */
export async function writeCredentials(folder: string): Promise<void> {
  const pki = join(folder, 'pki');
  await mkdir(pki, {mode: 0o700});
  const openssl = async (...args: string[]): Promise<string> => command('openssl', args, {cwd: pki});
  const ca = ['-addext', 'basicConstraints=critical,CA:true', '-addext', 'keyUsage=critical,keyCertSign,digitalSignature'];
  await openssl('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', '/CN=rig', ...ca);
  for (const [name, [subject, ...extensions]] of Object.entries(CERTIFICATES)) {
    await writeFile(join(pki, `${name}.ext`), extensions.join('\n'));
    await openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject);
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '30', '-extfile', `${name}.ext`];
    await openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signed);
  }
  const {privateKey, publicKey} = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: {type: 'sec1', format: 'pem'},
    publicKeyEncoding: {type: 'spki', format: 'pem'},
  });
  await writeFile(join(pki, 'service-accounts.key'), privateKey, {mode: 0o600});
  await writeFile(join(pki, 'service-accounts.pub'), publicKey);
  await writeUsers(folder, await readFile(join(pki, 'ca.crt')));
}

async function writeUsers(folder: string, ca: Buffer): Promise<void> {
  await mkdir(join(folder, 'kubeconfig'), {mode: 0o700});
  const lines: string[] = [];
  for (const [user, [name, group]] of Object.entries(USERS)) {
    const token = randomBytes(20).toString('hex');
    lines.push(`${token},${name},${user}${group === '' ? '' : `,"${group}"`}`);
    // JSON is YAML.
    const kubeconfig = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'rig',
      contexts: [{name: 'rig', context: {cluster: 'rig', user}}],
      clusters: [{name: 'rig', cluster: {server: API_SERVER, 'certificate-authority-data': ca.toString('base64')}}],
      users: [{name: user, user: {token}}],
    };
    await writeFile(kubeconfigPath(folder, user as KubeUser), JSON.stringify(kubeconfig, undefined, 2), {mode: 0o600});
  }
  await writeFile(join(folder, 'pki', 'tokens.csv'), `${lines.join('\n')}\n`, {mode: 0o600});
}

export const kubeconfigPath = (folder: string, user: KubeUser): string => join(folder, 'kubeconfig', user);
