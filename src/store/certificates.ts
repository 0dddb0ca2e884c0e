import {readFileSync} from 'node:fs';
import {createSecureContext} from 'node:tls';
import {ControlPlaneError, reasonOf} from '../lib/errors.ts';
import {keepCurrent} from '../lib/keep-current.ts';
import type {Log} from '../lib/log.ts';

/** Whom we trust, and who we are: the files' contents (PEM). */
export interface Certificates {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** The files, named as etcdctl names them. */
export interface CertificateFiles {
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Whoever speaks by certificates. */
interface Speaker {
  /** @throws what the others say when they do not take them */
  renew(certificates: Certificates): Promise<void>;
  /** Aborted when it speaks no more. */
  readonly closed: AbortSignal;
}

/** @throws ControlPlaneError `invalid`: a file that cannot be read, or is of no use */
export function readCertificates({cacert, cert, key}: CertificateFiles): Certificates {
  const files = [cacert, cert, key].filter((file) => file !== undefined);
  if (files.length === 0) return {};
  const found = {
    ...(cacert === undefined ? {} : {ca: readPem(cacert)}),
    ...(cert === undefined ? {} : {cert: readPem(cert)}),
    ...(key === undefined ? {} : {key: readPem(key)}),
  };
  try {
    createSecureContext(found);
  } catch (err) {
    throw new ControlPlaneError('invalid', `the certificates for etcd in ${files.join(', ')} are of no use: ${reasonOf(err)}`, {cause: err});
  }
  return found;
}

/** Speaks by what is in the files, also when they are replaced, as long as etcd takes it. */
export function keepCertificates(speaker: Speaker, files: CertificateFiles, log: Log, lookMs?: number): void {
  if (files.cacert === undefined && files.cert === undefined && files.key === undefined) return;
  const read = (): Certificates => readCertificates(files);
  keepCurrent({current: read(), read, use: (found) => speaker.renew(found), what: 'the new certificate for etcd', lookMs}, log, speaker.closed);
}

function readPem(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (err) {
    throw new ControlPlaneError('invalid', `cannot read ${file}: ${reasonOf(err)}`, {cause: err});
  }
}
