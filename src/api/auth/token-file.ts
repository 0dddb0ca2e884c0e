import {fstatSync, openSync, closeSync, readFileSync} from 'node:fs';
import type {BigIntStats} from 'node:fs';
import {stat} from 'node:fs/promises';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, reasonOf} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import type {Authenticator, Bearer, Identity} from './authenticator.ts';
import {everywhere} from './roles.ts';
import {parseTokenEntries} from './token-entry.ts';
import type {TokenEntry} from './token-entry.ts';

/** How often the file is looked at, for whoever asks. */
const LOOK_MS = 1000;

type Entries = ReadonlyMap<string, Identity>;

/**
 * Static tokens, for small sites: a JSON array of `{name, roles, token_sha256}` that nobody but its owner may read ({@link isPrivate}).
 *
 * A change of the file counts within a second. One that cannot be used is logged, once, and leaves what was read before in force.
 */
export class TokenFile implements Authenticator {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #entries: Entries;
  #stamp: string;
  #lookedAtMs: number;

  /** Reads the file. @throws ControlPlaneError `invalid`: unreadable, readable by others, or malformed, with the entry's name. */
  constructor(path: string, clock: Clock, log: Log) {
    this.#path = path;
    this.#clock = clock;
    this.#log = log;
    this.#lookedAtMs = clock.monotonicMs();
    const {entries, stamp} = readTokens(path);
    this.#entries = entries;
    this.#stamp = stamp;
  }

  async identify({digest}: Bearer): Promise<Identity | undefined> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedAtMs >= LOOK_MS) {
      this.#lookedAtMs = nowMs;
      await this.#lookAgain();
    }
    return this.#entries.get(digest);
  }

  async #lookAgain(): Promise<void> {
    const stamp = await stat(this.#path, {bigint: true}).then(stampOf, () => 'unreadable');
    if (stamp === this.#stamp) return;
    this.#stamp = stamp; // Whatever comes of it: a file that cannot be used is not read again until it changes.
    try {
      ({entries: this.#entries, stamp: this.#stamp} = readTokens(this.#path));
      this.#log.info({tokens: this.#entries.size}, 'tokens file was read again');
    } catch (err) {
      this.#log.error({reason: reasonOf(err)}, 'tokens file cannot be used; what was read before counts');
    }
  }
}

/** Sees a file that is replaced, rewritten, or given other rights. */
function stampOf({ino, size, mtimeNs, ctimeNs}: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(' ');
}

/**
 * Whether a file that the user `uid` reads is kept from others. Its owner alone may have rights; where that is root and we are not, our group may read it:
 * so Kubernetes mounts its Secrets.
 */
export function isPrivate({mode, uid: owner}: Pick<BigIntStats, 'mode' | 'uid'>, uid: number): boolean {
  const forbidden = owner === 0n && uid !== 0 ? 0o037n : 0o077n;
  return (mode & forbidden) === 0n;
}

/** One look at one file: rights and content are of the same. @throws ControlPlaneError `invalid` */
function readTokens(path: string): {readonly entries: Entries; readonly stamp: string} {
  const fail = (what: string, cause?: unknown): ControlPlaneError => new ControlPlaneError('invalid', `tokens file ${path} ${what}`, {cause});
  let file: number | undefined;
  let text: string;
  let stamp: string;
  try {
    file = openSync(path, 'r');
    const stats = fstatSync(file, {bigint: true});
    if (!isPrivate(stats, process.getuid?.() ?? 0)) throw fail('can be read or written by others; allow its owner alone (chmod 600)');
    stamp = stampOf(stats);
    text = readFileSync(file, 'utf8');
  } catch (err) {
    throw err instanceof ControlPlaneError ? err : fail('cannot be read', err);
  } finally {
    if (file !== undefined) closeSync(file);
  }
  try {
    const entries = parseTokenEntries(text);
    return {entries: new Map(entries.map((entry) => [entry.token_sha256, identityOf(entry)])), stamp};
  } catch (err) {
    throw fail(reasonOf(err));
  }
}

function identityOf({name, roles = [], request_roles}: TokenEntry): Identity {
  return {name, roles: everywhere(roles), ...(request_roles === undefined ? {} : {requestRoles: request_roles})};
}
