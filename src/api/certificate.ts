import {readFileSync} from 'node:fs';
import {createSecureContext} from 'node:tls';
import type {SecureContextOptions, Server} from 'node:tls';
import {ControlPlaneError, reasonOf} from '../lib/errors.ts';
import {keepCurrent} from '../lib/keep-current.ts';
import type {Log} from '../lib/log.ts';

/** A server's certificate (with what leads to its authority) and private key, as files in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** What is in the files now. @throws ControlPlaneError `invalid`, naming the files: one cannot be read, or they do not belong together */
export function readCertificate({cert, key}: CertificateFiles): SecureContextOptions & {readonly cert: Buffer; readonly key: Buffer} {
  try {
    const pair = {cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.2'} as const;
    createSecureContext(pair);
    return pair;
  } catch (err) {
    throw new ControlPlaneError('invalid', `the certificate ${cert} with the key ${key} is of no use: ${reasonOf(err)}`, {cause: err});
  }
}

/** Has new connections get the certificate that is in the files, also when these are replaced, until `signal` aborts. */
export function keepCertificate(server: Server, files: CertificateFiles, log: Log, signal: AbortSignal, lookMs?: number): void {
  const read = (): ReturnType<typeof readCertificate> => readCertificate(files);
  keepCurrent(
    {current: read(), read, use: (found) => server.setSecureContext(found), what: `the new certificate in ${files.cert}`, lookMs},
    log,
    signal,
  );
}
