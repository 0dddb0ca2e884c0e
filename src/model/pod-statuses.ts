import type {Job, JobTry} from '../schema/job.ts';
import type {ContainerSeen, PodSeen} from '../schema/pod-seen.ts';
import type {ScanRecord} from './scan-record.ts';

/** What version 1 tells of a scan's pods. The message has two names: its manual used one, its server the other. */
export interface PodStatuses {
  readonly pod_status: Readonly<Record<string, PodStatus>>;
  readonly pod_message: string;
  readonly pod_status_message: string;
}

/** A Kubernetes PodStatus as Python's client writes it, what is not known being `null`. Times are RFC 3339. */
interface PodStatus {
  readonly conditions: readonly unknown[] | null;
  readonly container_statuses: readonly ContainerStatus[];
  readonly ephemeral_container_statuses: null;
  readonly host_ip: string | null;
  readonly init_container_statuses: readonly ContainerStatus[] | null;
  readonly message: string | null;
  readonly nominated_node_name: null;
  readonly phase: string;
  readonly pod_ip: string | null;
  readonly pod_i_ps: readonly {readonly ip: string}[] | null;
  readonly qos_class: string | null;
  readonly reason: string | null;
  readonly start_time: string | null;
}

interface ContainerStatus {
  readonly name: string;
  readonly image: string | null;
  readonly ready: boolean;
  readonly restart_count: number;
  readonly state: Readonly<Record<'waiting' | 'running' | 'terminated', Readonly<Record<string, unknown>> | null>>;
}

/**
 * The newest try of each of the scan's jobs, as pods: those that its cluster has or had, as they were seen last; one that stands for it where its engine
 * has none. @see SkyDriver 1.3, GET /scan/ID/status
 */
export function podStatuses(scan: ScanRecord): PodStatuses {
  const pods: Record<string, PodStatus> = {};
  for (const [name, {value: job}] of scan.jobs ?? []) {
    const newest = job.tries.at(-1);
    if (newest === undefined) continue;
    if (newest.pods === undefined || newest.pods.length === 0) pods[`skyscan-${scan.id}-${name}-${newest.try}`] = standIn(name, job, newest);
    else for (const pod of newest.pods) pods[pod.name] = presentPod(pod, newest);
  }
  const hasPods = Object.keys(pods).length > 0;
  const message = hasPods ? 'retrieved' : scan.backlog === undefined ? 'pod(s) not found' : 'in backlog';
  return {pod_status: pods, pod_message: message, pod_status_message: message};
}

const UNKNOWN = {
  ...{conditions: null, ephemeral_container_statuses: null, host_ip: null, init_container_statuses: null, nominated_node_name: null},
  ...{pod_ip: null, pod_i_ps: null, qos_class: null, reason: null},
};

function presentPod(seen: PodSeen, {exit}: JobTry): PodStatus {
  // It went before anybody saw how it ended; what became of its try is known.
  const isLost = exit !== undefined && seen.phase !== 'Succeeded' && seen.phase !== 'Failed';
  const lost = isLost ? {exit_code: exit.code, signal: exit.signal ?? null, reason: exit.reason ?? null, finished_at: exit.ended_at} : undefined;
  const present = (each: ContainerSeen): ContainerStatus => presentContainer(each, lost);
  const init = seen.containers.filter(({is_init: isInit}) => isInit === true);
  return {
    ...UNKNOWN,
    conditions: seen.conditions ?? [],
    container_statuses: seen.containers.filter(({is_init: isInit}) => isInit !== true).map(present),
    host_ip: seen.host_ip ?? null,
    init_container_statuses: init.length === 0 ? null : init.map(present),
    message: seen.message ?? (isLost ? (exit.reason ?? null) : null),
    phase: isLost ? (exit.code === 0 ? 'Succeeded' : 'Failed') : seen.phase,
    pod_ip: seen.pod_ip ?? null,
    pod_i_ps: seen.pod_ip === undefined ? null : [{ip: seen.pod_ip}],
    qos_class: seen.qos_class ?? null,
    reason: seen.reason ?? null,
    start_time: seen.started_at ?? null,
  };
}

function presentContainer(
  {name, image, ready, restart_count: restarts, ...state}: ContainerSeen,
  lost: Readonly<Record<string, unknown>> | undefined,
): ContainerStatus {
  const isOver = state.terminated !== undefined || lost !== undefined;
  return {
    name,
    image: image ?? null,
    ready: ready === true && !isOver,
    restart_count: restarts ?? 0,
    state: {
      waiting: isOver ? null : withNulls(state.waiting, {reason: null, message: null}),
      running: isOver ? null : withNulls(state.running, {started_at: null}),
      terminated:
        withNulls(state.terminated, {exit_code: null, signal: null, reason: null, message: null, started_at: null, finished_at: null}) ??
        lost ??
        null,
    },
  };
}

function withNulls(value: object | undefined, nulls: Readonly<Record<string, null>>): Readonly<Record<string, unknown>> | null {
  return value === undefined ? null : {...nulls, ...value};
}

function standIn(name: string, job: Job, {exit, handle, intent_at, started_at}: JobTry): PodStatus {
  const isRunning = exit === undefined && handle !== undefined;
  const phase = exit === undefined ? (isRunning ? 'Running' : 'Pending') : exit.code === 0 ? 'Succeeded' : 'Failed';
  const startedAt = started_at ?? (isRunning ? intent_at : null);
  return {
    ...UNKNOWN,
    phase,
    start_time: startedAt,
    message: exit?.reason ?? null,
    container_statuses: [
      {
        name,
        image: null,
        ready: isRunning,
        restart_count: job.tries_total - 1,
        state: {
          waiting: phase === 'Pending' ? {reason: 'ContainerCreating'} : null,
          running: isRunning ? {started_at: startedAt} : null,
          terminated:
            exit === undefined ? null : {exit_code: exit.code, signal: exit.signal ?? null, reason: exit.reason ?? null, finished_at: exit.ended_at},
        },
      },
    ],
  };
}
