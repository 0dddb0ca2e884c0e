import {isJsonObject} from '../../lib/plain-json.ts';
import type {FenceToken, JobExit} from '../../schema/job.ts';
import type {JobRef} from '../engine.ts';
import {ANNOTATIONS} from './names.ts';
import type {ApiJob} from './objects.ts';

/**
 * How far a try has come, decided by whoever wrote it first:
 *
 * - `prepared`: its name is taken; nothing runs, since its parallelism is 0. Goes on to one of the others.
 * - `launched`: its pods run, or ran.
 * - `closed`: nothing of it ever runs.
 */
export const RECORD_STATES = ['prepared', 'launched', 'closed'] as const;
export type RecordState = (typeof RECORD_STATES)[number];

/** A Job of ours, reduced to what is needed of it. Times are milliseconds since 1970. */
export interface JobRecord {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly clusterId: string;
  readonly ref: JobRef;
  readonly fence: FenceToken;
  readonly state: RecordState;
  readonly createdMs: number;
  /** From when its deadline counts; 0: the Job controller has not seen it. */
  readonly startedMs: number;
  readonly count: number;
  readonly timeoutMs?: number;
  readonly outputLimitBytes: number;
  /** Ours among them: it is kept for us. */
  readonly finalizers: readonly string[];
  /** Somebody asked the server to delete it. */
  readonly isDeleting: boolean;
  readonly end?: {readonly reason: string; readonly atMs: number};
  readonly exit?: JobExit;
  /** What the Job controller says became of it. */
  readonly finished?: {readonly type: 'Complete' | 'Failed'; readonly reason: string; readonly message: string; readonly atMs: number};
  readonly active: number;
}

/** Reads a Job. `undefined`: it is none of ours, or somebody changed what says so. */
export function readJobRecord(job: ApiJob): JobRecord | undefined {
  const {metadata, status} = job;
  const notes = metadata.annotations ?? {};
  const ref = readRef(notes[ANNOTATIONS.ref]);
  const fence = parseFence(notes[ANNOTATIONS.fence]);
  const clusterId = notes[ANNOTATIONS.clusterId];
  const state = RECORD_STATES.find((each) => each === notes[ANNOTATIONS.state]);
  if (ref === undefined || fence === undefined || clusterId === undefined || state === undefined) return undefined;
  const end = readJson(notes[ANNOTATIONS.end]);
  const exit = readExit(notes[ANNOTATIONS.exit]);
  const condition = status?.conditions?.find(({type, status: holds}) => (type === 'Complete' || type === 'Failed') && holds === 'True');
  const timeoutMs = Number(notes[ANNOTATIONS.timeoutMs] ?? NaN);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    clusterId,
    ref,
    fence,
    state,
    createdMs: timeMs(metadata.creationTimestamp),
    startedMs: timeMs(status?.startTime),
    count: positive(notes[ANNOTATIONS.count], 1),
    ...(timeoutMs > 0 ? {timeoutMs} : {}),
    outputLimitBytes: positive(notes[ANNOTATIONS.outputLimitBytes], 0),
    finalizers: metadata.finalizers ?? [],
    isDeleting: metadata.deletionTimestamp !== undefined,
    ...(end === undefined ? {} : {end: {reason: textOf(end['reason']), atMs: timeMs(textOf(end['at']))}}),
    ...(exit === undefined ? {} : {exit}),
    ...(condition === undefined
      ? {}
      : {
          finished: {
            type: condition.type as 'Complete' | 'Failed',
            reason: condition.reason ?? '',
            message: condition.message ?? '',
            atMs: timeMs(condition.lastTransitionTime),
          },
        }),
    active: status?.active ?? 0,
  };
}

/** A {@link JobRef} from its annotation. */
export function readRef(text: string | undefined): JobRef | undefined {
  const fields = readJson(text);
  const {scanId, job, try: number} = fields ?? {};
  return typeof scanId === 'string' && typeof job === 'string' && typeof number === 'number' ? {scanId, job, try: number} : undefined;
}

/** `<epoch>.<revision>` as a token. */
export function parseFence(text: string | undefined): FenceToken | undefined {
  const [, epoch, revision] = /^(\d{1,15})\.(\d{1,16})$/.exec(text ?? '') ?? [];
  return epoch === undefined || revision === undefined ? undefined : {epoch: Number(epoch), revision: Number(revision)};
}

export function fenceText({epoch, revision}: FenceToken): string {
  return `${epoch}.${revision}`;
}

/** Milliseconds since 1970; 0 for what is no time. */
export function timeMs(text: string | undefined): number {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}

function readExit(text: string | undefined): JobExit | undefined {
  const fields = readJson(text);
  if (fields === undefined) return undefined;
  const {code, signal, reason, ended_at: endedAt} = fields;
  if ((code !== null && !Number.isSafeInteger(code)) || typeof endedAt !== 'string') return undefined;
  return {
    code: code as number | null,
    ...(typeof signal === 'string' ? {signal} : {}),
    ...(typeof reason === 'string' ? {reason} : {}),
    ended_at: endedAt,
  };
}

function readJson(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function positive(text: string | undefined, fallback: number): number {
  const value = Number(text);
  return Number.isSafeInteger(value) && value > 0 ? value : fallback;
}
