import {readFileSync} from 'node:fs';
import {createSecureContext} from 'node:tls';
import type {SecureContextOptions, Server} from 'node:tls';
import {ControlPlaneError, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';

/** A server's certificate (with what leads to its authority) and private key, as files in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** How often the files are looked at. Whoever renews a certificate does so days before it ends. */
const LOOK_MS = 60_000;

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

/**
 * Has new connections get the certificate that is in the files, also when these are replaced, until `signal` aborts. A pair of no use (one file may be
 * replaced before the other) leaves the one before in force.
 */
export function keepCertificate(server: Server, files: CertificateFiles, log: Log, signal: AbortSignal, lookMs: number = LOOK_MS): void {
  let current = readCertificate(files);
  let problem = '';
  const timer = setInterval(() => {
    try {
      const found = readCertificate(files);
      problem = '';
      if (found.cert.equals(current.cert) && found.key.equals(current.key)) return;
      server.setSecureContext(found);
      current = found;
      log.info({cert: files.cert}, 'serving with a new certificate');
    } catch (err) {
      // Once for each reason: it may last.
      if (problem !== reasonOf(err)) log.error({err}, 'keeping the certificate that was');
      problem = reasonOf(err);
    }
  }, lookMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), {once: true});
}
