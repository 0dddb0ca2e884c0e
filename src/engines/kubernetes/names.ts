import {createHash} from 'node:crypto';
import type {JobRef} from '../engine.ts';

/**
 * What our objects are called and marked with. All of it is read by other versions of ourselves, too: names and meanings stay.
 *
 * Labels find objects; annotations hold what has to be exact.
 */
export const LABELS = {
  /** The database that an object belongs to, see {@link labelHash}. */
  cluster: 'scanplane/cluster',
  /** Its scan, see {@link labelHash}. */
  scanHash: 'scanplane/scan-hash',
  /** On pods and Secrets: the name of their Job. */
  record: 'scanplane/record',
  /** For people, where they fit. */
  scan: 'scanplane/scan',
  job: 'scanplane/job',
  try: 'scanplane/try',
  /** On ConfigMaps that remember a forgotten scan. */
  forgotten: 'scanplane/forgotten',
} as const;

export const ANNOTATIONS = {
  clusterId: 'scanplane/cluster-id',
  /** The {@link JobRef} as JSON. */
  ref: 'scanplane/ref',
  /** `<epoch>.<revision>` of the newest owner that asked. */
  fence: 'scanplane/fence',
  /** See RecordState. */
  state: 'scanplane/state',
  /** Processes side by side. */
  count: 'scanplane/count',
  timeoutMs: 'scanplane/timeout-ms',
  outputLimitBytes: 'scanplane/output-limit-bytes',
  /** `{reason, at}`: we have its pods ended. */
  end: 'scanplane/end',
  /** The JobExit as JSON: what became of it, for good. */
  exit: 'scanplane/exit',
  /** On pods: the container that the try is about, where it is not called `main`. */
  container: 'scanplane/container',
  /** On pods that should have gone, and Jobs that should have pods: when their kubelet, or their controller, was last reminded. */
  reminded: 'scanplane/reminded',
} as const;

/** Keeps a Job until it is forgotten, and each pod until its exit is recorded. */
export const FINALIZER = 'scanplane/record';

/** A pod gets five more characters after a dash, and a label takes 63. */
const LONGEST_NAME = 52;
const HASH_DIGITS = 12;

/** The one name of a try: lower case, digits and dashes; what of its parts is readable, and a digest of all of them. */
export function recordName(clusterId: string, ref: JobRef): string {
  const digest = hash(JSON.stringify([clusterId, ref.scanId, ref.job, ref.try])).slice(0, HASH_DIGITS);
  const readable = `${slug(ref.scanId)}-${slug(ref.job)}`.slice(0, LONGEST_NAME - HASH_DIGITS - 20);
  return `s-${readable}-${ref.try}-${digest}`.replaceAll(/-+/g, '-');
}

/** What remembers that a scan was forgotten is called. */
export function forgottenName(clusterId: string, scanId: string): string {
  return `s-forgotten-${hash(JSON.stringify([clusterId, scanId])).slice(0, 2 * HASH_DIGITS)}`;
}

/** A label's value for any text: at most 63 characters of a small alphabet fit there. */
export function labelHash(text: string): string {
  return hash(text).slice(0, 32);
}

/** The labels of everything that belongs to a try. */
export function labelsOf(clusterId: string, ref: JobRef): Record<string, string> {
  const readable = [
    [LABELS.scan, ref.scanId],
    [LABELS.job, ref.job],
    [LABELS.try, String(ref.try)],
  ].filter(([, value]) => /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/.test(value as string));
  return {
    [LABELS.cluster]: labelHash(clusterId),
    [LABELS.scanHash]: labelHash(ref.scanId),
    [LABELS.record]: recordName(clusterId, ref),
    ...(Object.fromEntries(readable) as Record<string, string>),
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
}
