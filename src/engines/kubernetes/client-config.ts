import {execFile} from 'node:child_process';
import {readFile} from 'node:fs/promises';
import {dirname, isAbsolute, resolve} from 'node:path';
import {promisify} from 'node:util';
import {parse} from 'yaml';
import {ControlPlaneError, reasonOf} from '../../lib/errors.ts';
import {isJsonObject, plainProblem} from '../../lib/plain-json.ts';

/** How to reach an API server, and as whom. Certificates and keys are PEM. */
export interface ClientConfig {
  readonly server: URL;
  /** The namespace that the configuration names, if it does. */
  readonly namespace?: string;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
  /** The `Authorization` header, where there is one. `isRefused`: the one given before was refused, so whatever is remembered is not good. */
  authorization(isRefused?: boolean): Promise<string | undefined>;
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Tokens in files are replaced on disk before they expire. */
const FILE_TOKEN_KEPT_MS = 60_000;
/** How long before its end a token of a program is not used any more. */
const EXPIRY_MARGIN_MS = 30_000;
const EXEC_TIMEOUT_MS = 60_000;
/** A kubeconfig is a few kilobytes. */
const LARGEST_FILE_BYTES = 1024 * 1024;

/** Variables by name: where a pod finds its server, and what a program that gives a token gets. */
type Environment = Readonly<Record<string, string | undefined>>;
type Fields = Readonly<Record<string, unknown>>;

/**
 * The service account of the pod that this process runs in.
 *
 * @throws ControlPlaneError `unavailable`: it runs in no pod, or the account's files cannot be read.
 * @see https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
export async function loadInCluster(env: Environment): Promise<ClientConfig> {
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') throw new ControlPlaneError('unavailable', 'no kubeconfig is given, and this process runs in no pod');
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`);
  const [ca, namespace] = await Promise.all([readSmall(`${ACCOUNT}/ca.crt`), readSmall(`${ACCOUNT}/namespace`)]);
  return {server, namespace: namespace.trim(), tls: {ca}, authorization: fileToken(`${ACCOUNT}/token`)};
}

/**
 * One context of a kubeconfig file (its current one unless told): server, certificates, and a token, a token file, a password, or a program that gives one.
 *
 * @throws ControlPlaneError `unavailable`: it cannot be read or does not say where the server is; an operator may mend it.
 * @see https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
export async function loadKubeconfig(path: string, contextName: string | undefined, env: Environment): Promise<ClientConfig> {
  const text = await readSmall(path);
  const wrong = (what: string, cause?: unknown): ControlPlaneError => new ControlPlaneError('unavailable', `kubeconfig ${path}: ${what}`, {cause});
  let document: unknown;
  try {
    document = parse(text, {maxAliasCount: 0});
  } catch {
    throw wrong('it is not YAML'); // What the parser says may quote it.
  }
  const problem = plainProblem(document);
  if (problem !== undefined || !isJsonObject(document)) throw wrong(problem ?? 'it is no mapping');
  const name = contextName ?? textOf(document, 'current-context');
  if (name === undefined || name === '') throw wrong('it names no current context');
  const context = named(document['contexts'], name, 'context');
  if (context === undefined) throw wrong(`it has no context ${name}`);
  const cluster = named(document['clusters'], textOf(context, 'cluster'), 'cluster');
  const address = cluster === undefined ? undefined : textOf(cluster, 'server');
  if (cluster === undefined || address === undefined) throw wrong(`context ${name} names no cluster with a server`);
  const user = named(document['users'], textOf(context, 'user'), 'user') ?? {};
  if (!URL.canParse(address)) throw wrong('the server is no URL');
  const pem = async (fields: Fields, field: string): Promise<string | undefined> => {
    const inline = textOf(fields, `${field}-data`);
    if (inline !== undefined) return Buffer.from(inline, 'base64').toString();
    const file = textOf(fields, field);
    return file === undefined ? undefined : readSmall(beside(path, file));
  };
  const [ca, cert, key] = await Promise.all([pem(cluster, 'certificate-authority'), pem(user, 'client-certificate'), pem(user, 'client-key')]);
  const servername = textOf(cluster, 'tls-server-name');
  const namespace = textOf(context, 'namespace');
  return {
    server: new URL(address),
    ...(namespace === undefined ? {} : {namespace}),
    tls: {
      ...(ca === undefined ? {} : {ca}),
      ...(cert === undefined ? {} : {cert}),
      ...(key === undefined ? {} : {key}),
      ...(servername === undefined ? {} : {servername}),
      ...(cluster['insecure-skip-tls-verify'] === true ? {rejectUnauthorized: false} : {}),
    },
    authorization: authorizationOf(user, path, env),
  };
}

function authorizationOf(user: Fields, path: string, env: Environment): ClientConfig['authorization'] {
  const token = textOf(user, 'token');
  const file = textOf(user, 'tokenFile');
  const [username, password] = [textOf(user, 'username'), textOf(user, 'password')];
  if (isJsonObject(user['exec'])) return execToken(user['exec'], path, env);
  // As kubectl does: the file is newer than the text.
  if (file !== undefined) return fileToken(beside(path, file));
  if (token !== undefined) return () => Promise.resolve(`Bearer ${token}`);
  if (username === undefined) return () => Promise.resolve(undefined);
  return () => Promise.resolve(`Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`);
}

function fileToken(path: string): ClientConfig['authorization'] {
  let kept: {readonly header: string; readonly untilMs: number} | undefined;
  return async (isRefused = false) => {
    if (kept === undefined || isRefused || performance.now() >= kept.untilMs) {
      kept = {header: `Bearer ${(await readSmall(path)).trim()}`, untilMs: performance.now() + FILE_TOKEN_KEPT_MS};
    }
    return kept.header;
  };
}

/** A token that a program gives. @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */
function execToken(exec: Fields, path: string, env: Environment): ClientConfig['authorization'] {
  const command = textOf(exec, 'command') ?? '';
  const program = command.includes('/') ? beside(path, command) : command;
  const args = Array.isArray(exec['args']) ? exec['args'].map(String) : [];
  const given = Array.isArray(exec['env']) ? exec['env'].filter(isJsonObject).map((each) => [String(each['name']), String(each['value'])]) : [];
  const apiVersion = textOf(exec, 'apiVersion') ?? 'client.authentication.k8s.io/v1';
  const info = JSON.stringify({apiVersion, kind: 'ExecCredential', spec: {interactive: false}});
  let kept: {readonly header: string; readonly untilMs: number} | undefined;
  let underWay: Promise<string> | undefined;
  const run = async (): Promise<string> => {
    try {
      const options = {env: {...env, ...Object.fromEntries(given), KUBERNETES_EXEC_INFO: info}, timeout: EXEC_TIMEOUT_MS};
      const {stdout} = await promisify(execFile)(program, args, options);
      const status: unknown = (JSON.parse(stdout) as Fields)['status'];
      const token = isJsonObject(status) ? textOf(status, 'token') : undefined;
      if (!isJsonObject(status) || token === undefined) throw new Error('it gave no token');
      const expiry = Date.parse(textOf(status, 'expirationTimestamp') ?? '');
      kept = {header: `Bearer ${token}`, untilMs: Number.isNaN(expiry) ? Infinity : expiry - EXPIRY_MARGIN_MS};
      return kept.header;
    } catch (err) {
      // Its output may hold a token, so no more is said than how it failed.
      const {code} = err as {readonly code?: string | number | null};
      throw new ControlPlaneError('unavailable', `the credential program ${command} failed${code === undefined ? '' : ` (${String(code)})`}`);
    }
  };
  return async (isRefused = false) => {
    if (kept !== undefined && !isRefused && Date.now() < kept.untilMs) return kept.header;
    underWay ??= run().finally(() => (underWay = undefined));
    return underWay;
  };
}

function named(list: unknown, name: string | undefined, field: string): Fields | undefined {
  if (!Array.isArray(list) || name === undefined) return undefined;
  const found: unknown = list.find((each) => isJsonObject(each) && each['name'] === name);
  const inner = isJsonObject(found) ? found[field] : undefined;
  return isJsonObject(inner) ? inner : undefined;
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function beside(path: string, file: string): string {
  return isAbsolute(file) ? file : resolve(dirname(path), file);
}

async function readSmall(path: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8');
    if (text.length > LARGEST_FILE_BYTES) throw new Error('it is too large');
    return text;
  } catch (err) {
    throw new ControlPlaneError('unavailable', `cannot read ${path}: ${(err as NodeJS.ErrnoException).code ?? reasonOf(err)}`, {cause: err});
  }
}
