import {ANNOTATIONS, LABELS} from './names.ts';
import {readRef, timeMs} from './job-record.ts';
import type {JobRef} from '../engine.ts';
import {cut} from './cut.ts';
import type {ApiPod, ContainerStatus} from './objects.ts';
import {podSeen} from './pod-seen.ts';
import type {PodSeen} from '../../schema/pod-seen.ts';

/** The container that a try is about, unless its pod says another; others only help it. */
export const MAIN_CONTAINER = 'main';

export interface ContainerFacts {
  readonly name: string;
  readonly isInit: boolean;
  readonly waiting?: {readonly reason: string; readonly message: string};
  readonly isRunning: boolean;
  readonly terminated?: {readonly code: number; readonly reason: string; readonly message: string; readonly endedMs: number};
}

/** A pod of ours, reduced to what is needed of it. Times are milliseconds since 1970. */
export interface PodFacts {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** Its Job's name. */
  readonly record: string;
  readonly ref: JobRef | undefined;
  readonly createdMs: number;
  /** Which process it is, where the server numbers them. */
  readonly index?: number;
  readonly phase: string;
  readonly reason: string;
  readonly message: string;
  /** Ours among them: it is kept for us. */
  readonly finalizers: readonly string[];
  /** When it should be gone at the latest; absent while nobody wants it gone. */
  readonly deletesMs?: number;
  /** When somebody asked for that. */
  readonly deletionAskedMs?: number;
  /** Its node confirmed that nothing of it runs, or somebody removed it by force. */
  readonly isRemoved: boolean;
  /** When its node took it on; 0: none has. */
  readonly startedMs: number;
  /** Why the cluster itself made room of it, where the server says so (1.26 and later). */
  readonly disruption?: string;
  /** Why it has no node. */
  readonly unschedulable?: string;
  /** The container that it is about. */
  readonly main: string;
  readonly containers: readonly ContainerFacts[];
  /** For those who ask how it is. */
  readonly seen: PodSeen;
}

/** Reads a pod. `undefined`: it is none of ours. */
export function readPodFacts(pod: ApiPod): PodFacts | undefined {
  const {metadata, status} = pod;
  const record = metadata.labels?.[LABELS.record];
  if (record === undefined) return undefined;
  const index = Number(metadata.annotations?.['batch.kubernetes.io/job-completion-index'] ?? NaN);
  const disruption = status?.conditions?.find(({type, status: holds}) => type === 'DisruptionTarget' && holds === 'True');
  const scheduled = status?.conditions?.find(({type}) => type === 'PodScheduled');
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    record,
    ref: readRef(metadata.annotations?.[ANNOTATIONS.ref]),
    createdMs: timeMs(metadata.creationTimestamp),
    ...(Number.isSafeInteger(index) ? {index} : {}),
    phase: status?.phase ?? 'Pending',
    reason: status?.reason ?? '',
    message: cut(status?.message),
    finalizers: metadata.finalizers ?? [],
    startedMs: timeMs(status?.startTime),
    ...(disruption === undefined ? {} : {disruption: disruption.reason ?? ''}),
    ...(metadata.deletionTimestamp === undefined ? {} : deletion(metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds)),
    isRemoved: metadata.deletionTimestamp !== undefined && metadata.deletionGracePeriodSeconds === 0,
    ...(scheduled?.status === 'False' ? {unschedulable: cut(scheduled.message) || (scheduled.reason ?? 'Unschedulable')} : {}),
    seen: podSeen(pod),
    main: metadata.annotations?.[ANNOTATIONS.container] ?? MAIN_CONTAINER,
    containers: [
      ...(status?.initContainerStatuses ?? []).map((each) => containerFacts(each, true)),
      ...(status?.containerStatuses ?? []).map((each) => containerFacts(each, false)),
    ],
  };
}

function deletion(timestamp: string, graceSeconds = 0): Pick<PodFacts, 'deletesMs' | 'deletionAskedMs'> {
  const deletesMs = timeMs(timestamp);
  return {deletesMs, deletionAskedMs: deletesMs - graceSeconds * 1000};
}

function containerFacts({name, state}: ContainerStatus, isInit: boolean): ContainerFacts {
  const {waiting, running, terminated} = state ?? {};
  return {
    name,
    isInit,
    isRunning: running !== undefined,
    ...(waiting === undefined ? {} : {waiting: {reason: waiting.reason ?? '', message: cut(waiting.message)}}),
    ...(terminated === undefined
      ? {}
      : {
          terminated: {
            code: terminated.exitCode,
            reason: terminated.reason ?? '',
            message: cut(terminated.message),
            endedMs: timeMs(terminated.finishedAt),
          },
        }),
  };
}
