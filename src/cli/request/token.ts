import {readFileSync} from 'node:fs';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Environment} from './options.ts';

/** What may stand in an `Authorization` header after `Bearer`. @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;

/**
 * The bearer token: from the file that `--token-file` names, else `SCANPLANE_TOKEN`, else the file in `SCANPLANE_TOKEN_FILE`.
 *
 * @throws ControlPlaneError `invalid`, naming the place and never what stands there
 */
export function findToken(flag: string | undefined, env: Environment): string | undefined {
  if (flag !== undefined) return fromFile(flag, '--token-file');
  const token = env['SCANPLANE_TOKEN'];
  if (token !== undefined && token !== '') return checked(token.trim(), 'SCANPLANE_TOKEN');
  const file = env['SCANPLANE_TOKEN_FILE'];
  return file === undefined || file === '' ? undefined : fromFile(file, 'SCANPLANE_TOKEN_FILE');
}

function fromFile(file: string, where: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (err) {
    throw new ControlPlaneError('invalid', `${where}: cannot read ${file} (${(err as NodeJS.ErrnoException).code ?? 'unknown error'})`, {cause: err});
  }
  return checked(text.trim(), `${where}: ${file}`);
}

function checked(token: string, where: string): string {
  if (!TOKEN.test(token)) throw new ControlPlaneError('invalid', `${where}: this is no bearer token`);
  return token;
}
