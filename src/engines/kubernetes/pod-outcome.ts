import {constants} from 'node:os';
import {TRANSIENT_REASONS, isTransientReason} from '../../model/exit-reasons.ts';
import type {ContainerFacts, PodFacts} from './pod-facts.ts';

/** How a pod ended. `code` is `null` when a signal or a loss ended it. */
export interface PodExit {
  readonly code: number | null;
  readonly signal?: string;
  readonly reason?: string;
  readonly endedMs: number;
}

/** What is to be thought of one pod. */
export type PodOutcome =
  /** It has not begun. `text` says why; `hopeless`, that and why it never will. */
  | {readonly kind: 'waiting'; readonly text: string; readonly hopeless?: string}
  | {readonly kind: 'running'}
  /** What it is about has ended; containers beside it run on. */
  | {readonly kind: 'leaving'; readonly exit: PodExit}
  | {readonly kind: 'ended'; readonly exit: PodExit};

/** How long after its latest end a pod that nobody confirms counts as lost with its node. */
export const LOST_AFTER_MS = 60_000;

/** Why a container waits, and for how long that may be believed to pass: `never` and `always`, or as long as the cluster's patience. */
const WAITING: Readonly<Record<string, {readonly passes: 'never' | 'perhaps'; readonly reason: string}>> = {
  InvalidImageName: {passes: 'never', reason: 'InvalidImageName'},
  ErrImageNeverPull: {passes: 'never', reason: 'ErrImageNeverPull'},
  ErrImagePull: {passes: 'perhaps', reason: 'ErrImagePull'},
  ImagePullBackOff: {passes: 'perhaps', reason: 'ErrImagePull'},
  RegistryUnavailable: {passes: 'perhaps', reason: 'ErrImagePull'},
  ImageInspectError: {passes: 'perhaps', reason: 'ErrImagePull'},
  CreateContainerConfigError: {passes: 'perhaps', reason: 'CreateContainerConfigError'},
  CreateContainerError: {passes: 'perhaps', reason: 'StartError'},
  RunContainerError: {passes: 'perhaps', reason: 'StartError'},
  CrashLoopBackOff: {passes: 'perhaps', reason: 'CrashLoopBackOff'},
};

/** What the kubelet and its peers call it when a pod had to go. @see https://kubernetes.io/docs/concepts/workloads/pods/disruptions/ */
const POD_REASONS: Readonly<Record<string, string>> = {
  Evicted: TRANSIENT_REASONS.evicted,
  Preempting: TRANSIENT_REASONS.preempted,
  Preempted: TRANSIENT_REASONS.preempted,
  NodeLost: TRANSIENT_REASONS.nodeLost,
  NodeShutdown: TRANSIENT_REASONS.nodeShutdown,
  Shutdown: TRANSIENT_REASONS.nodeShutdown,
  Terminated: TRANSIENT_REASONS.nodeShutdown,
  DeadlineExceeded: 'DeadlineExceeded',
  PreemptionByScheduler: TRANSIENT_REASONS.preempted,
  TerminationByKubelet: TRANSIENT_REASONS.evicted,
  EvictionByEvictionAPI: TRANSIENT_REASONS.evicted,
  DeletionByTaintManager: TRANSIENT_REASONS.nodeLost,
  DeletionByPodGC: TRANSIENT_REASONS.nodeLost,
};

const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** Judges one pod as it is at `nowMs`. `patienceMs`: how long images and start-ups that fail may be tried again. */
export function podOutcome(pod: PodFacts, nowMs: number, patienceMs: number): PodOutcome {
  const main = pod.containers.find(({name, isInit}) => name === pod.main && !isInit);
  const hasEnded = pod.phase === 'Succeeded' || pod.phase === 'Failed';
  if (pod.isRemoved || hasEnded) return {kind: 'ended', exit: withReason(endedExit(pod, main, nowMs), pod)};
  if (pod.deletesMs !== undefined && nowMs > pod.deletesMs + LOST_AFTER_MS) {
    return {kind: 'ended', exit: {code: null, reason: TRANSIENT_REASONS.nodeLost, endedMs: nowMs}};
  }
  const waits = pod.deletesMs !== undefined && nowMs > pod.deletesMs ? main?.waiting : undefined;
  // Kubelets may take minutes to say that a pod is gone whose container they never could make.
  if (waits !== undefined && WAITING[waits.reason] !== undefined) {
    return {kind: 'ended', exit: {code: null, reason: TRANSIENT_REASONS.podDeleted, endedMs: nowMs}};
  }
  if (main?.terminated !== undefined) return {kind: 'leaving', exit: containerExit(main.terminated)};
  if (main?.isRunning === true) return {kind: 'running'};
  return waitingOutcome(pod, nowMs, patienceMs);
}

function waitingOutcome(pod: PodFacts, nowMs: number, patienceMs: number): PodOutcome {
  if (pod.unschedulable !== undefined) return {kind: 'waiting', text: `waits for a node: ${pod.unschedulable}`};
  for (const {waiting} of pod.containers) {
    const known = waiting === undefined ? undefined : WAITING[waiting.reason];
    if (waiting === undefined || known === undefined) continue;
    const text = joined(known.reason, waiting.message);
    const isHopeless = known.passes === 'never' || (pod.startedMs > 0 && nowMs - pod.startedMs > patienceMs);
    return {kind: 'waiting', text, ...(isHopeless ? {hopeless: text} : {})};
  }
  return pod.containers.some(({isInit, isRunning}) => isInit && isRunning)
    ? {kind: 'running'}
    : {kind: 'waiting', text: 'its containers are being made'};
}

function endedExit(pod: PodFacts, main: ContainerFacts | undefined, nowMs: number): PodExit {
  if (main?.terminated !== undefined) return containerExit(main.terminated);
  const init = pod.containers.find(({isInit, terminated}) => isInit && terminated !== undefined && terminated.code !== 0);
  if (init?.terminated !== undefined) {
    const exit = containerExit(init.terminated);
    const how = exit.reason ?? (exit.signal === undefined ? `exit code ${exit.code}` : `signal ${exit.signal}`);
    return {...exit, reason: `init container ${init.name} failed: ${how}`};
  }
  if (pod.phase === 'Succeeded') return {code: 0, endedMs: nowMs};
  // Its node refused it, nobody else may say that it failed before it began.
  if (pod.phase === 'Failed') return {code: null, reason: joined(TRANSIENT_REASONS.notAdmitted, joined(pod.reason, pod.message)), endedMs: nowMs};
  return {code: null, reason: main?.isRunning === true ? TRANSIENT_REASONS.nodeLost : TRANSIENT_REASONS.podDeleted, endedMs: nowMs};
}

/** What ended the pod as a whole says more than what became of its containers. */
function withReason(exit: PodExit, pod: PodFacts): PodExit {
  const known = POD_REASONS[pod.reason] ?? (pod.disruption === undefined ? undefined : (POD_REASONS[pod.disruption] ?? TRANSIENT_REASONS.podDeleted));
  if (known === undefined || exit.code === 0) return exit;
  return {code: null, reason: joined(known, pod.message), endedMs: exit.endedMs};
}

function containerExit({code, reason, message, endedMs}: Required<ContainerFacts>['terminated']): PodExit {
  if (code === 0) return {code, endedMs};
  switch (reason) {
    case 'OOMKilled':
      return {code: null, signal: 'SIGKILL', reason: 'OOMKilled: it used more memory than its limit', endedMs};
    case 'StartError':
    case 'ContainerCannotRun':
      return {code, reason: joined('StartError', message), endedMs};
    case 'ContainerStatusUnknown':
      return {code: null, reason: TRANSIENT_REASONS.nodeLost, endedMs};
    case 'DeadlineExceeded':
      return {code: null, reason: joined(reason, message), endedMs};
  }
  const signal = SIGNALS.get(code - 128);
  return signal === undefined ? {code, endedMs} : {code: null, signal, endedMs};
}

/** Whether a pod's end is its process's own doing, or the kubelet's on its behalf. */
export function isOwnFault({code, reason}: PodExit): boolean {
  return code !== 0 && !isTransientReason(reason);
}

function joined(reason: string, message: string): string {
  return reason === '' || message === '' ? `${reason}${message}` : `${reason}: ${message}`;
}
