import {join} from 'node:path';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {CommandLine} from './command-line.ts';
import {readClientFile} from './client-file.ts';
import {findToken} from './token.ts';

/** How the server is reached. Later sources win: what is built in, config files, environment, flags. */
export interface Options {
  /** The API's address, without a slash at its end. */
  readonly addr: string;
  readonly timeoutMs: number;
  readonly isDebug: boolean;
  /** A label only, for programs that wrap this one. */
  readonly env: string;
  /** The bearer token; absent: none is sent. It is shown nowhere. */
  readonly token?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const DEFAULT_ADDR = 'http://127.0.0.1:8080';
const DEFAULT_TIMEOUT_MS = 5000;
/** The longest that a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * The options that hold for a command line.
 *
 * Each may be given as `SCANPLANE_…` or, for users of spinc, as `SPINC_…`. Config files are those that `--config` or `SPINC_CONFIG` lists, else
 * `.scanplane.yaml` in the home directory; the server's `SCANPLANE_CONFIG` is none of them. What cannot be read is skipped, and `note` is told.
 *
 * @throws ControlPlaneError `invalid`, naming where a wrong value was given
 */
export function resolveOptions(line: CommandLine, env: Environment, home: string, note: (text: string) => void): Options {
  const {flags} = line;
  const named = flags.config ?? given(env, 'SPINC_CONFIG')?.value;
  const files = named === undefined ? [join(home, '.scanplane.yaml')] : named.split(',').filter((file) => file !== '');
  let {addr, timeoutMs} = {addr: DEFAULT_ADDR, timeoutMs: DEFAULT_TIMEOUT_MS};
  for (const file of files) {
    const content = readClientFile(file, note);
    if (content.addr !== undefined) addr = address(content.addr, file);
    if (content.timeout !== undefined) timeoutMs = milliseconds(content.timeout, file);
  }
  const addrSaid = said(flags.addr, '--addr', env, 'ADDR');
  if (addrSaid !== undefined) addr = address(addrSaid.value, addrSaid.where);
  const timeoutSaid = said(flags.timeout, '--timeout', env, 'TIMEOUT');
  if (timeoutSaid !== undefined) timeoutMs = milliseconds(timeoutSaid.value, timeoutSaid.where);
  const debugSaid = said(line.isDebug ? 'true' : undefined, '--debug', env, 'DEBUG');
  const token = findToken(flags['token-file'], env);
  return {
    addr,
    timeoutMs,
    isDebug: debugSaid !== undefined && boolean(debugSaid.value, debugSaid.where),
    env: said(flags.env, '--env', env, 'ENV')?.value ?? '',
    ...(token === undefined ? {} : {token}),
  };
}

interface Said {
  readonly value: string;
  readonly where: string;
}

function said(flag: string | undefined, flagName: string, env: Environment, name: string): Said | undefined {
  if (flag !== undefined) return {value: flag, where: flagName};
  return given(env, `SCANPLANE_${name}`) ?? given(env, `SPINC_${name}`);
}

/** A variable that is set to something. */
function given(env: Environment, name: string): Said | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : {value, where: name};
}

function address(text: string, where: string): string {
  const url = URL.parse(text);
  // The text is not repeated: it may hold a password.
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '' || url.hash !== '')
    throw new ControlPlaneError('invalid', `${where}: the address has to look like http://host:port`);
  if (url.username !== '' || url.password !== '')
    throw new ControlPlaneError('invalid', `${where}: no user and password in the address, it is shown to others; use a token`);
  return text.replace(/\/+$/, '');
}

function milliseconds(value: unknown, where: string): number {
  const text = String(value);
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > LONGEST_MS)
    throw new ControlPlaneError('invalid', `${where}: the timeout has to be a whole number of milliseconds, at least 1`);
  return number;
}

const YES = ['1', 't', 'true'];
const NO = ['0', 'f', 'false'];

function boolean(text: string, where: string): boolean {
  const lower = text.toLowerCase();
  if (YES.includes(lower)) return true;
  if (NO.includes(lower)) return false;
  throw new ControlPlaneError('invalid', `${where}: ${text} is neither true nor false`);
}
