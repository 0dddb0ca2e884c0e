import {once} from 'node:events';
import {createServer} from 'node:http';
import type {Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {SignJWT, exportJWK, generateKeyPair, importJWK} from 'jose';
import type {JWK} from 'jose';

interface SigningKey {
  readonly id: string;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

export interface TokenOptions {
  /** Claims besides `aud`, `exp`, `iat`, `iss`, `sub`, or instead of them; `undefined` leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly expiresInSeconds?: number;
  readonly algorithm?: string;
  /** Instead of the key that the provider signs with now. */
  readonly key?: SigningKey;
  /** A key id of one's own making. */
  readonly keyId?: string;
}

export const USER_CLAIMS = {resource_access: {'skydriver-external': {roles: ['users']}}, preferred_username: 'ada'};
export const SYSTEM_CLAIMS = {resource_access: {'skydriver-internal': {roles: ['system']}}};
export const BOTH_CLAIMS = {resource_access: {...USER_CLAIMS.resource_access, ...SYSTEM_CLAIMS.resource_access}};

/** An OpenID Connect provider on loopback: discovery document and keys over HTTP, and tokens signed by them. */
export class OidcProvider {
  readonly url: string;
  /** How often the keys were fetched. */
  fetches = 0;
  /** What the discovery document says of where the keys are. */
  keysAddress: string;
  #key: SigningKey;
  #published: SigningKey[];
  #server: Server;

  private constructor(server: Server, key: SigningKey) {
    this.#server = server;
    this.#key = key;
    this.#published = [key];
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realms/test`;
    this.keysAddress = `${this.url}/certs`;
    this.#answer(server);
  }

  static async start(): Promise<OidcProvider> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new OidcProvider(server, await newSigningKey());
  }

  async token({claims = {}, expiresInSeconds = 3600, algorithm = 'RS256', key = this.#key, keyId = key.id}: TokenOptions = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = {aud: ['account', 'skydriver'], exp: now + expiresInSeconds, iat: now, iss: this.url, sub: 'u-1', ...claims};
    return new SignJWT(payload).setProtectedHeader({alg: algorithm, kid: keyId}).sign(await importJWK(key.privateJwk, algorithm));
  }

  /** Signs with a new key from now on, and publishes it. The old one stays published unless it is `withdrawn`. */
  async rotate({withdrawn = false}: {readonly withdrawn?: boolean} = {}): Promise<void> {
    this.#key = await newSigningKey();
    this.#published = withdrawn ? [this.#key] : [...this.#published, this.#key];
  }

  /** Stops listening, so that nobody can connect. */
  async goAway(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async comeBack(): Promise<void> {
    this.#server = createServer();
    this.#answer(this.#server);
    this.#server.listen(Number(new URL(this.url).port), '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.goAway();
  }

  #answer(server: Server): void {
    server.on('request', ({url = ''}, response) => {
      const path = new URL(url, this.url).pathname.replace('/realms/test', '');
      response.setHeader('Content-Type', 'application/json');
      if (path === '/.well-known/openid-configuration') response.end(JSON.stringify({issuer: this.url, jwks_uri: this.keysAddress}));
      else if (path === '/certs') {
        this.fetches++;
        response.end(JSON.stringify({keys: this.#published.map(({publicJwk}) => publicJwk)}));
      } else if (path === '/moved') response.writeHead(302, {location: `${this.url}/certs`}).end();
      else response.writeHead(404).end('{}');
    });
  }
}

let keysMade = 0;

export async function newSigningKey(): Promise<SigningKey> {
  // Kept as JWK: each import is for one of the RSA algorithms alone.
  const {privateKey, publicKey} = await generateKeyPair('RS256', {extractable: true});
  const id = `key-${++keysMade}`;
  return {id, privateJwk: await exportJWK(privateKey), publicJwk: {...(await exportJWK(publicKey)), kid: id, use: 'sig'}};
}
